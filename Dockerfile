# sezoo with training, for NVIDIA GPUs or CPUs. From a clone of the project:
#   docker build -t sezoo .
#   docker run --rm --gpus all --shm-size 2g --user "$(id -u):$(id -g)" -v "$PWD:/work" sezoo train --speech speech --noise noise
# Much smaller, for CPUs only, with the address of PyTorch's CPU wheels:
#   docker build -t sezoo --build-arg TORCH_INDEX=https://... .

FROM python:3.12-slim AS build
# pesq is compiled when it is installed.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
RUN python -m venv /opt/sezoo
ENV PATH=/opt/sezoo/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
ARG TORCH_INDEX=
RUN pip install 'torch>=2.6' ${TORCH_INDEX:+--index-url "$TORCH_INDEX"}
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN pip install '.[train,dnsmos,rooms,mlflow]'

FROM python:3.12-slim
LABEL org.opencontainers.image.title="sezoo" org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/sezoo /opt/sezoo
# Any user can run it, also one without an entry in /etc/passwd: caches go to /tmp.
ENV PATH=/opt/sezoo/bin:$PATH PYTHONUNBUFFERED=1 HOME=/tmp MPLCONFIGDIR=/tmp/matplotlib
RUN useradd --create-home sezoo
USER sezoo
WORKDIR /work
ENTRYPOINT ["sezoo"]
CMD ["--help"]
