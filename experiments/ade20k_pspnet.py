"""PSPNet on ADE20K, from ResNet-50: the paper's recipe.

Paper:    Zhao et al. 2017, arXiv:1612.01105, sec. 5.1 and 5.2.  Here the stem is that
          of ResNet-50, crops have 480 pixels (473 in the authors' code), images are not
          blurred, and the head differs as jaxseg/heads/pspnet.py says.
Data:     ade20k: ADEChallengeData2016 (20210 / 2000 images, 150 classes);
          docs/datasets.md says from where.
Weights:  a ResNet-50 trained on ImageNet, such as torchvision's, as FILE.
Hardware: written for one GPU of 40 GB; a smaller one needs --train.accumulate 2.
Time:     not run in full here.
Mean IoU: 0.417 in the paper (val, one scale); not run in full here.
Command:  python main.py --config experiments/ade20k_pspnet.py
          --data.root ADEChallengeData2016 --model.weights FILE
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
        data=DataConfig(name="ade20k"),
        augment=AugmentConfig(
            crop=(480, 480),
            scale=(0.5, 2.0),
            max_class_share=1.0,
            rotation=10.0,
            photometric=False,
        ),
        model=ModelConfig(
            head="pspnet", backbone="resnet50", output_stride=8, auxiliary=True
        ),
        optimizer=OptimizerConfig(
            learning_rate=0.01,
            momentum=0.9,
            weight_decay=1e-4,
            final_learning_rate=0.0,
        ),
        train=TrainConfig(
            steps=150_000,
            batch_size=16,
            auxiliary_weight=0.4,
            eval_every=15_000,
            checkpoint_every=5000,
        ),
        evaluation=EvaluationConfig(batch_size=4, window=480),
    )
