"""A model as files to ship: ONNX and OpenVINO, their checks and latencies, the model card, the hub."""
