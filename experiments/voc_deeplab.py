"""DeepLabV3+ on the augmented PASCAL VOC 2012, from ResNet-101: the paper's recipe.

Paper:    Chen et al. 2018, arXiv:1802.02611, sec. 4, as arXiv:1706.05587, sec. 4.1.
          Crops have 512 pixels here, not 513, since images are padded to multiples
          of 32; the weight decay is that of the authors' code.
Data:     voc2012_aug: VOCdevkit/VOC2012, with SegmentationClassAug and train_aug.txt
          (10582 / 1449 images, 21 classes); docs/datasets.md says from where.
Weights:  a ResNet-101 trained on ImageNet, such as torchvision's, as FILE.
Hardware: written for one GPU of 40 GB; a smaller one needs --train.accumulate 2.
Time:     not run in full here.
Mean IoU: 0.789 in the paper (table 3, val, one scale, output stride 16); not run in
          full here.
Command:  python main.py --config experiments/voc_deeplab.py
          --data.root VOCdevkit/VOC2012 --model.weights FILE
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
        data=DataConfig(name="voc2012_aug"),
        augment=AugmentConfig(
            crop=(512, 512), scale=(0.5, 2.0), max_class_share=1.0, photometric=False
        ),
        model=ModelConfig(
            head="deeplabv3plus",
            backbone="resnet101",
            output_stride=16,
            multi_grid=(1, 2, 4),
        ),
        optimizer=OptimizerConfig(
            learning_rate=0.007,
            momentum=0.9,
            weight_decay=1e-4,
            final_learning_rate=0.0,
        ),
        train=TrainConfig(
            steps=30_000, batch_size=16, eval_every=3000, checkpoint_every=3000
        ),
        evaluation=EvaluationConfig(batch_size=8),
    )
