# ComfyUI on an NVIDIA GPU. Mount the models, in ComfyUI's layout, at /data/comfyui/models. Custom nodes need their own
# libraries: build an image from this one, with an ENTRYPOINT without --disable-all-custom-nodes.
#   docker build -f infra/docker/comfyui.Dockerfile -t comfy-fleet-comfyui .
# It listens only on loopback. If the worker is in another container, add --listen 0.0.0.0 and make sure that nobody else
# reaches this port, because everybody who does can run any workflow.

FROM nvidia/cuda:12.8.1-base-ubuntu24.04@sha256:133c78a0575303be34164d0b90137a042172bdf60696af01a3c424ab402d86e2 AS build
# The version from which the client's tests were recorded. infra/pins/pins.json contains its tag.
ARG COMFYUI_COMMIT=2f35f4a08176d993cded35dac3332be4f7287f41
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates git python3 python3-pip python3-venv \
 && rm -rf /var/lib/apt/lists/*
RUN git init --quiet /opt/ComfyUI \
 && git -C /opt/ComfyUI fetch --quiet --depth 1 https://github.com/comfyanonymous/ComfyUI "$COMFYUI_COMMIT" \
 && git -C /opt/ComfyUI checkout --quiet FETCH_HEAD \
 && rm -rf /opt/ComfyUI/.git
# This torch includes CUDA 12.8.
COPY infra/docker/comfyui-requirements.txt /opt/
RUN python3 -m venv --without-pip /opt/venv \
 && pip --python /opt/venv/bin/python install --no-cache-dir -r /opt/comfyui-requirements.txt

FROM nvidia/cuda:12.8.1-base-ubuntu24.04@sha256:133c78a0575303be34164d0b90137a042172bdf60696af01a3c424ab402d86e2
RUN apt-get update && apt-get install -y --no-install-recommends python3 \
 && rm -rf /var/lib/apt/lists/* \
 && install --directory --owner=1000 --group=1000 \
      /data/comfyui /data/comfyui/models /data/comfyui/custom_nodes \
      /data/comfyui/input /data/comfyui/output /data/comfyui/temp /data/comfyui/user
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/ComfyUI /opt/ComfyUI
# Libraries and compiled kernels are cached in /tmp, which is writable although the root file system is read-only.
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp XDG_CACHE_HOME=/tmp
WORKDIR /opt/ComfyUI
USER 1000:1000
EXPOSE 8188
HEALTHCHECK --interval=10s --timeout=5s --start-period=300s \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8188/system_stats', timeout=4)"]
ENTRYPOINT ["python", "main.py", "--base-directory", "/data/comfyui", "--database-url", "sqlite:///:memory:", "--port", "8188", \
  "--disable-auto-launch", "--disable-all-custom-nodes", "--disable-api-nodes", "--preview-method", "latent2rgb", \
  "--max-upload-size", "2100"]
# Options of ComfyUI that you pass replace these. docs/encode-ahead.md says what the cache is for.
CMD ["--cache-lru", "64"]
