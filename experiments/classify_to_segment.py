"""FCN-8s on digit scenes, from the classifier of classify_digits.py.

Paper:    Long et al. 2015, arXiv:1411.4038, sec. 3.1 and 4.1.
Data:     digit_scenes, made on the spot; 4000 training and 500 validation images.
Hardware: 2 CPU cores.
Time:     46 s.
Mean IoU: 0.657 on the validation images; 0.445 without the classifier.
Command:  python main.py --config experiments/classify_digits.py &&
          python main.py --config experiments/classify_to_segment.py
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
        data=DataConfig(name="digit_scenes"),
        augment=AugmentConfig(
            crop=(96, 96),
            scale=(1.0, 1.0),
            max_class_share=1.0,
            flip=0.0,
            photometric=False,
        ),
        model=ModelConfig(
            head="fcn8s",
            backbone="resnet18",
            width=0.5,
            max_channels=128,
            weights="runs/classify_digits",
            upsampling="transposed",
            auxiliary=True,
        ),
        optimizer=OptimizerConfig(
            name="adamw", learning_rate=3e-3, weight_decay=1e-4, final_learning_rate=0.0
        ),
        train=TrainConfig(
            steps=600, batch_size=8, eval_every=200, checkpoint_every=200
        ),
        evaluation=EvaluationConfig(batch_size=25),
    )
