#!/usr/bin/env bash
# All GPU figures in one call of under ten minutes, on a machine without a network.
#
#     OUT=figures bash benchmarks/gpu.sh [WHEELS] [PEAK]
#
# WHEELS is a folder of wheels for what the machine's python3 lacks; it must have jax with
# CUDA, flax, optax, OpenCV, psutil, pydantic, rich and torch, and for the models torchvision and
# segmentation_models_pytorch.  `wait` runs where grain, tensorflow-datasets, array_record,
# importlib_resources and tensorboardX are there too.  PEAK is the matrix product's
# TFLOP/s; without it, it is measured here.  Each part has a time limit of its own, the
# most wanted comes first; $OUT gets log.txt and figures.jsonl.
set -u
cd "$(dirname "$0")/.."
wheels=${1:-} peak=${2:-}
out=${OUT:-build/gpu}
begun=$SECONDS
LIMIT=570  # seconds for everything
mkdir -p "$out"

if [ -n "$wheels" ]; then
    site=$(mktemp -d)
    python3 -m pip install -q --no-index --no-deps --no-compile --find-links "$wheels" \
        --target "$site" "$wheels"/*.whl || exit
    export PYTHONPATH="$site${PYTHONPATH:+:$PYTHONPATH}"
fi
export PYTHONUNBUFFERED=1

part() {  # part SECONDS NAME MODULE ARGUMENTS...: run it within its time and what is left
    local most=$1 name=$2 module=$3 left=$((LIMIT - SECONDS + begun))
    shift 3
    [ "$left" -lt 20 ] && { echo "$name: no time left" | tee -a "$out/log.txt"; return; }
    timeout -k 5 "$((most < left ? most : left))" python3 -m "benchmarks.$module" "$@" \
        2>&1 | tee -a "$out/log.txt"
    [ "${PIPESTATUS[0]}" -eq 0 ] || echo "$name: not finished" | tee -a "$out/log.txt"
}

{
    nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
    python3 -c "import jax, flax, torch; print(jax.__version__, flax.__version__,
torch.__version__, torch.backends.cudnn.version(), *jax.devices())"
} 2>&1 | tee "$out/log.txt"
if [ -z "$peak" ]; then
    peak=$(python3 - <<'PYTHON'
import time
import torch

a, b = (torch.randn(8192, 8192, device="cuda").bfloat16() for _ in "ab")
times = []
for _ in range(20):
    torch.cuda.synchronize()
    begun = time.perf_counter()
    for _ in range(5):
        a @ b
    torch.cuda.synchronize()
    times.append((time.perf_counter() - begun) / 5)
print(f"{2 * 8192**3 / sorted(times)[10] / 1e12:.0f}")
PYTHON
    ) || peak=0
fi
echo "bfloat16 matrix product: $peak TFLOP/s" | tee -a "$out/log.txt"

json="$out/figures.jsonl"
rm -f "$json"
for model in deeplabv3plus_resnet50 unet_resnet34 deeplabv3_resnet50 fcn_resnet50; do
    part 130 "train_$model" train_step --gpu --models "$model" --rounds 5 \
        --peak "$peak" --out "$json"
done
part 120 memory memory --gpu --out "$json"
for model in deeplabv3plus_resnet50 unet_resnet34 deeplabv3_resnet50 fcn_resnet50; do
    part 90 "inference_$model" inference --gpu --models "$model" --rounds 5 \
        --peak "$peak" --out "$json"
done
if python3 -c "import grain, tensorflow_datasets, array_record, tensorboardX"; then
    part 90 wait input_pipeline wait --out "$json"
fi
echo "$((SECONDS - begun)) s in all"
