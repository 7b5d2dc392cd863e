"""The degradation problem: a deeper plain net hardly learns, a deeper ResNet does.

Train plain18, plain34, resnet18 and resnet34 on one budget, then compare the curves.

Paper:    He et al. 2016, arXiv:1512.03385, sec. 4.1 and fig. 4.
Data:     digits, made on the spot; 8800 training and 1100 validation images of 48x48.
Hardware: 2 CPU cores.
Time:     53 s to 61 s (18 layers), 78 s to 89 s (34 layers).
Mean IoU: plain 0.654 with 18 layers and 0.120 with 34; ResNet 0.776 and 0.718.
Command:  python main.py --config experiments/degradation.py --model.backbone plain34
          --name plain34; the other three likewise; then
          python main.py compare runs/plain18 runs/plain34 runs/resnet18 runs/resnet34
"""

from jaxseg import (
    AugmentConfig,
    Config,
    DataConfig,
    EvaluationConfig,
    ModelConfig,
    OptimizerConfig,
    TrainConfig,
)


def get_config() -> Config:
    """Return the experiment."""
    return Config(
        data=DataConfig(name="digits"),
        augment=AugmentConfig(
            crop=(48, 48),
            scale=(1.0, 1.0),
            max_class_share=1.0,
            flip=0.0,
            photometric=False,
        ),
        model=ModelConfig(head="classifier", backbone="plain34", width=0.25),
        optimizer=OptimizerConfig(
            learning_rate=0.1, momentum=0.9, weight_decay=1e-4, warmup_ratio=0.05
        ),
        train=TrainConfig(
            steps=2000, batch_size=32, eval_every=200, checkpoint_every=400
        ),
        evaluation=EvaluationConfig(batch_size=100),
    )
