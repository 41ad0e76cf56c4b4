# docker build -t saticl .                              with In-Place ABN for the architectures below
# docker build -t saticl --build-arg WITH_IABN=0 .      without (use --model.norm std or abn)
# docker run --rm --gpus all --ipc=host --user "$(id -u):$(id -g)" -v "$PWD":/workspace saticl train --data-root tiles
#
# torch brings its own CUDA libraries, so a plain Python image is enough; the host needs an NVIDIA driver for CUDA 13.2.
# For a reproducible base give its digest: --build-arg PYTHON_IMAGE=python@sha256:...
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

# hadolint ignore=DL3006
FROM ${PYTHON_IMAGE} AS build
ARG WITH_IABN=1
ARG TORCH_CUDA_ARCH_LIST="8.0;8.6;8.9;9.0+PTX"
# Versions are not pinned: Debian removes the old ones from its mirrors with every security update.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends build-essential \
    && rm -rf /var/lib/apt/lists/*
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH VIRTUAL_ENV=/opt/venv
WORKDIR /build
COPY requirements.txt requirements-iabn.txt constraints.txt ./
RUN pip install --no-cache-dir --requirement requirements.txt --constraint constraints.txt
COPY scripts/install_iabn.sh scripts/
RUN if [ "$WITH_IABN" = 1 ]; then \
        TORCH_CUDA_ARCH_LIST="$TORCH_CUDA_ARCH_LIST" bash scripts/install_iabn.sh \
        && pip uninstall --yes nvidia-cuda-nvcc nvidia-nvvm nvidia-cuda-crt ninja setuptools_scm; \
    fi

# hadolint ignore=DL3006
FROM ${PYTHON_IMAGE} AS runtime
# libexpat1: GDAL inside rasterio's wheel links to it. g++: --trainer.compile.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libexpat1 g++ \
    && rm -rf /var/lib/apt/lists/* \
    && mkdir --parents /workspace /cache \
    && chmod 1777 /workspace /cache
COPY --from=build /opt/venv /opt/venv
COPY run.py pyproject.toml requirements.txt README.md LICENSE /app/
COPY saticl /app/saticl
COPY configs /app/configs
# HOME and USER: the container may run under any user id (--user), which then has no entry in /etc/passwd.
ENV PATH=/opt/venv/bin:$PATH \
    HOME=/tmp \
    USER=saticl \
    HF_HOME=/cache/huggingface \
    MPLCONFIGDIR=/tmp/matplotlib \
    NO_ALBUMENTATIONS_UPDATE=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
VOLUME /cache
WORKDIR /workspace
USER 1000:1000
ENTRYPOINT ["python", "/app/run.py"]
CMD ["--help"]
