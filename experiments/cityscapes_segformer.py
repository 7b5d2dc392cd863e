"""SegFormer on Cityscapes, from MiT-B0 trained on ImageNet: the paper's recipe.

Paper:    Xie et al. 2021, arXiv:2105.15203, sec. 4.1, and the authors' configuration.
          Here there is no stochastic depth, and biases do not decay.
Data:     Cityscapes, fine annotations (2975 / 500 images of 1024x2048, 19 classes), as
          TFDS prepares it in DIR; python main.py datasets says from where.
Weights:  the authors' mit_b0.pth, trained on ImageNet, as FILE.
Hardware: written for 8 GPUs of 32 GB, an image each; one needs --train.accumulate 8.
Time:     not run in full here.
Mean IoU: 0.762 in the paper (B0, val, one scale); not run in full here.
Command:  python main.py --config experiments/cityscapes_segformer.py --data.root DIR
          --model.weights FILE
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
        data=DataConfig(name="cityscapes"),
        augment=AugmentConfig(crop=(1024, 1024), scale=(0.5, 2.0)),
        model=ModelConfig(head="segformer", backbone="mit_b0", channels=256),
        optimizer=OptimizerConfig(  # the head learns ten times as fast as the backbone
            name="adamw",
            learning_rate=6e-4,
            backbone_factor=0.1,
            weight_decay=0.01,
            power=1.0,
            warmup_ratio=0.009375,  # 1500 steps
            final_learning_rate=0.0,
        ),
        train=TrainConfig(
            steps=160_000, batch_size=8, eval_every=16_000, checkpoint_every=4000
        ),
        evaluation=EvaluationConfig(batch_size=1, window=1024, overlap=0.25),
    )
