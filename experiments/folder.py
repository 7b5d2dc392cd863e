"""DeepLabV3+ on a folder of your own images and masks.

Paper:    Chen et al. 2018, arXiv:1802.02611, on ResNet-18.
Data:     yours: images/ and masks/ (or train/images, train/masks, val/...), the value
          of a mask's pixel is its class; or an export of COCO, LabelMe, CVAT or YOLO,
          whose labels are the classes. Classes are counted in the masks;
          --data.num_classes, --data.class_names, --data.mask_values say more.
Hardware: any; lower --train.batch_size and --augment.crop if memory is short.
Time:     depends on your images; the progress bar says.
Mean IoU: depends on your images.
Command:  python main.py --config experiments/folder.py --data.root DIR
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
        data=DataConfig(name="folder", root="data"),
        augment=AugmentConfig(crop=(256, 256), scale=(0.5, 2.0), max_class_share=1.0),
        model=ModelConfig(head="deeplabv3plus", backbone="resnet18", output_stride=16),
        optimizer=OptimizerConfig(
            name="adamw",
            learning_rate=1e-3,
            weight_decay=1e-2,
            warmup_ratio=0.025,
            final_learning_rate=1e-6,
        ),
        train=TrainConfig(
            steps=2000, batch_size=8, eval_every=250, checkpoint_every=250
        ),
        evaluation=EvaluationConfig(batch_size=4),
    )
