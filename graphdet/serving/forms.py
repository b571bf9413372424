"""What an exported model looks like; apart, so that the command line knows it without loading anything else."""

from enum import StrEnum


class Form(StrEnum):
    """What a model is exported as."""

    plain = "plain"  # NumPy's: scaling in JSON, weights in safetensors
    onnx = "onnx"
    student = "student"


class Precision(StrEnum):
    """How weights are stored; sums are always float32."""

    float32 = "float32"
    float16 = "float16"
    int8 = "int8"
