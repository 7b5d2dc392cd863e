"""U-Net on the Oxford-IIIT Pets' trimaps, from ResNet-34 trained on ImageNet.

Paper:    Ronneberger et al. 2015, arXiv:1505.04597, with ResNet-34 as encoder; the data
          are of Parkhi et al. 2012, "Cats and Dogs".  Neither has a recipe for trimaps.
Data:     oxford_iiit_pet (3680 / 3669 images; pet, background, outline), as TFDS
          prepares it in DIR.
Weights:  a ResNet-34 trained on ImageNet, such as torchvision's, as FILE.
Hardware: written for one GPU of 16 GB.
Time:     not run in full here.
Mean IoU: no paper has one for the three classes; not run in full here.
Command:  python main.py --config experiments/pets_unet.py --data.root DIR
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
        data=DataConfig(name="oxford_iiit_pet"),
        augment=AugmentConfig(crop=(256, 256), scale=(0.5, 1.5), max_class_share=1.0),
        model=ModelConfig(head="unet", backbone="resnet34"),
        optimizer=OptimizerConfig(
            name="adamw",
            learning_rate=1e-3,
            backbone_factor=0.1,
            weight_decay=1e-2,
            warmup_ratio=0.05,
            clip_norm=5.0,
            final_learning_rate=0.0,
        ),
        train=TrainConfig(  # 20 epochs
            steps=4600, batch_size=16, eval_every=460, checkpoint_every=460
        ),
        evaluation=EvaluationConfig(batch_size=8),
    )
