# Reverie for a cluster: CPU by default, MuJoCo draws by EGL, without root.
#
#   docker build -t reverie .
#   docker build -t reverie:cuda --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu128 .
#   docker run --rm -v "$PWD/runs:/runs" reverie train dreamer_v1 --size tiny --run /runs/first
FROM python:3.12-slim

# EGL: Mesa draws without a GPU. With one, the NVIDIA runtime brings its own driver.
RUN apt-get update \
    && apt-get install -y --no-install-recommends libegl1 libgl1-mesa-dri libopengl0 \
    && rm -rf /var/lib/apt/lists/*

ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ARG EXTRAS=atari,cluster,compare,data,dmc,hub,lerobot,minatar,play
WORKDIR /opt/reverie
# PyTorch has a layer of its own, because it is large and changes rarely.
COPY constraints.txt .
RUN pip install --no-cache-dir --constraint constraints.txt --index-url "$TORCH_INDEX" \
        --extra-index-url https://pypi.org/simple torch
COPY pyproject.toml README.md LICENSE ./
COPY reverie reverie
COPY reverie_worlds reverie_worlds
RUN pip install --no-cache-dir --constraint constraints.txt ".[$EXTRAS]"

# A volume of a cluster belongs to a user of its own: --build-arg USER_ID="$(id -u)"
ARG USER_ID=1000
RUN useradd --create-home --uid "$USER_ID" reverie && mkdir /runs && chown reverie /runs
USER reverie
WORKDIR /runs
ENV MUJOCO_GL=egl NVIDIA_DRIVER_CAPABILITIES=compute,utility,graphics PYTHONUNBUFFERED=1
ENTRYPOINT ["reverie"]
CMD ["doctor"]
