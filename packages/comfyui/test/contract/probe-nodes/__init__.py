"""Nodes for the contract suite: what core nodes of ComfyUI do not do. The simulator plays them where probe_nodes is set."""

import json
import time

import comfy.utils
from comfy_execution.graph_utils import GraphBuilder
from PIL import Image


class ProbeSteps:
    """Takes some steps, each with a preview."""

    @classmethod
    def INPUT_TYPES(cls):
        steps = ("INT", {"default": 2, "min": 1, "max": 1000})
        return {"required": {"image": ("IMAGE",), "steps": steps, "ms": ("INT", {"default": 0, "max": 60000}), "seed": ("INT", {"default": 0, "max": 2**53})}}

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "run"
    CATEGORY = "probe"

    def run(self, image, steps, ms, seed):
        bar = comfy.utils.ProgressBar(steps)
        preview = Image.new("RGB", (64, 64), (seed % 256, 90, 60))
        for step in range(steps):
            time.sleep(ms / 1000)
            bar.update_absolute(step + 1, steps, ("JPEG", preview, 512))
        return (image,)


class ProbeExpand:
    """Puts three nodes in its place, one of which shows its picture."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"image": ("IMAGE",), "seed": ("INT", {"default": 0, "max": 2**53})}}

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "run"
    CATEGORY = "probe"

    def run(self, image, seed):
        graph = GraphBuilder()
        steps = graph.node("ProbeSteps", image=image, steps=5, ms=100, seed=seed)
        inverted = graph.node("ImageInvert", image=steps.out(0))
        graph.node("PreviewImage", images=inverted.out(0))
        return {"result": (inverted.out(0),), "expand": graph.finalize()}


class ProbeLoop:
    """An output node that saves only in nodes that it puts in its place: a picture for each round."""

    @classmethod
    def INPUT_TYPES(cls):
        rounds = ("INT", {"default": 3, "min": 1, "max": 100})
        return {"required": {"image": ("IMAGE",), "rounds": rounds, "filename_prefix": ("STRING", {"default": "probe"})}}

    RETURN_TYPES = ()
    FUNCTION = "run"
    CATEGORY = "probe"
    OUTPUT_NODE = True

    def run(self, image, rounds, filename_prefix):
        graph = GraphBuilder()
        for _ in range(rounds):
            image = graph.node("ImageInvert", image=image).out(0)
            graph.node("SaveImage", images=image, filename_prefix=filename_prefix)
        return {"result": (), "expand": graph.finalize()}


class ProbeValues:
    """Shows what it is given as JSON; an empty object is what nodes show that show nothing."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"values": ("STRING", {"default": "{}"})}}

    RETURN_TYPES = ()
    FUNCTION = "run"
    CATEGORY = "probe"
    OUTPUT_NODE = True

    def run(self, values):
        return {"ui": json.loads(values)}


class ProbeFail:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"image": ("IMAGE",), "message": ("STRING", {"default": "boom"})}}

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "run"
    CATEGORY = "probe"

    def run(self, image, message):
        raise ValueError(message)


NODE_CLASS_MAPPINGS = {node.__name__: node for node in (ProbeSteps, ProbeExpand, ProbeLoop, ProbeValues, ProbeFail)}
