"""ATen's operations in the words of ONNX: onnxruntime computes from them what PyTorch computes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pellucid.errors import InteropError
from pellucid.interop._torch._open import model_of, rows
from torch_cases import MODULES, F, computed_by_onnxruntime, module_of, normal, tensor

CURVES: dict[str, Callable[..., Any]] = {
    **{
        name: getattr(torch, name)
        for name in (
            "abs", "atan", "asinh", "ceil", "cos", "cosh", "erf", "exp", "expm1", "floor", "neg", "relu", "round",
            "sigmoid", "sign", "sin", "sinh", "square", "tan", "tanh",
        )
    },
    **{
        name: getattr(F, name)
        for name in (
            "celu", "elu", "gelu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "logsigmoid",
            "mish", "relu6", "rrelu", "selu", "silu", "softplus", "softshrink", "softsign", "tanhshrink",
        )
    },
    "sqrt": lambda x: x.abs().sqrt() + (x.abs() + 1).rsqrt() + (x.abs() + 1).reciprocal(),
    "log": lambda x: x.abs().log() + x.abs().log1p() + x.abs().log2() + x.abs().log10(),
    "arc": lambda x: x.tanh().acos() + x.tanh().asin() + (0.9 * x.tanh()).atanh() + (x.abs() + 1).acosh(),
    "settings": lambda x: F.gelu(x, approximate="tanh") + F.elu(x, 0.7) + F.celu(x, 0.7) + F.softplus(x, 2),
    "threshold": lambda x: F.threshold(x, 0.1, 2.0) + F.prelu(x, torch.tensor([0.2])),
    "glu": lambda x: F.glu(x, 1),
    "softmax": lambda x: F.softmin(x, 1) + x.softmax(2) + x.log_softmax(0),
    "arithmetic": lambda x: (2 - x) * 3 / (x * x + 1) - torch.sub(x, x, alpha=0.5) + torch.add(x, 1, alpha=2),
    "division": lambda x: torch.div(x, 0.3, rounding_mode="floor") + torch.div(x, 0.3, rounding_mode="trunc"),
    "power": lambda x: x**2 + 2**x + x.abs() ** x,
    "clamp": lambda x: x.clamp(-0.1) + x.clamp(max=0.2) + x.clamp(-0.3, 0.3) + x.clamp(x * 0 - 0.1, x * 0 + 0.1),
    "extremes": lambda x: torch.maximum(x, -x) + torch.minimum(x, x * 2) + torch.max(x, x * 3),
    "compare": lambda x: ((x > 0) & (x < 1) | (x >= 2)).to(x.dtype) + (x != 0) + (x <= 0.3).float() * 2 + (x == 0),
    "truths": lambda x: torch.logical_and(x > 0, ~(x > 1)).float() + torch.logical_or(x > 0, x < -1).float(),
    "where": lambda x: torch.where(x > 0, x, -1.0) + x.masked_fill(x > 0, 7.0) + torch.logical_not(x > 0) * 3.0,
    "whole numbers": lambda x: (x * 3).to(torch.int64) + torch.arange(6),
    "more": lambda x: torch.exp2(x) + torch.erfc(x) + torch.floor_divide(x, 0.7) + torch.remainder(x, -0.7) + x % 0.3,
    "between": lambda x: torch.lerp(x, x * 2, 0.3) + torch.addcmul(x, x, x, value=0.5),
}  # fmt: skip
SHAPES: dict[str, Callable[..., Any]] = {
    "view": lambda x: x.view(x.shape[0], -1).reshape(x.shape[0] * 2, -1),
    "flatten": lambda x: (x.flatten(0, 1) + 0, x.flatten(1), x.flatten()[:5], x.unflatten(2, (2, 3))),
    "axes": lambda x: x.unsqueeze(1).squeeze(1).unsqueeze(-1),
    "permute": lambda x: x.permute(2, 0, 1).transpose(0, 1).mT.movedim(0, 2),
    "expand": lambda x: x[:, :1].expand(-1, 4, -1) + x,
    "expand to the batch": lambda x: torch.ones(1, 2).expand(x.shape[0], 2) * x.mean((1, 2))[:, None],
    "repeat": lambda x: x.repeat(1, 2, 1),
    "join": lambda x: (torch.cat([x, x * 2], -1), torch.stack([x, x * 2], 1)),
    "cut": lambda x: x.split(2, 1)[1][:, :1] + x.split([1, 3], 1)[0] + x.unbind(1)[3][:, None],
    "chunk": lambda x: x.chunk(3, 2)[2],
    "slice": lambda x: (x[:, -1], x[:, 1:-1, ::2], x.flip(1, 2), x[:, torch.tensor([2, 0])]),
    "roll": lambda x: x.roll(2, 1).roll((1, -1), (1, 2)),
    "pad": lambda x: (F.pad(x, (1, 2, 0, 1), value=0.5), F.pad(x, (1, 2), "reflect"), F.pad(x, (2, 0), "replicate")),
    "wrap": lambda x: F.pad(x, (1, 1), "circular"),
    "triangle": lambda x: x.tril() + x.triu(1) * 2,
    "filled": lambda x: torch.zeros_like(x) + torch.ones(x.shape[0], 1, 6) * x + x.new_full((1,), 0.3),
    "range": lambda x: x[:, :, 0] * 0 + torch.arange(x.shape[0])[:, None] + torch.arange(0, 4),
    "written": lambda x: torch.select_scatter(torch.slice_scatter(x, x[:, :2] * 0, 1, 1, 3), x[:, 0], 1, -1),
    "mean": lambda x: x.mean((1, 2), keepdim=True) + x.sum(1, keepdim=True),
    "all at once": lambda x: x[:2].mean() + x.sum() * 0.01 + x.max() + x.min() + x[:1].tanh().prod(),
    "largest": lambda x: x.amax(1) + x.amin((1,)) + x.max(1)[0] + x.max(1).indices + x.min(1).indices,
    "places": lambda x: (x.argmax(1) + x.argmin(1), F.one_hot(x.argmax(2), 6)),
    "sums": lambda x: x.logsumexp(1) + x.prod(1) + x.cumsum(1)[:, -1],
    "variance": lambda x: x.var(1) + x.std((1, 2), keepdim=True)[:, 0] + x.var(2, unbiased=False).mean(1, keepdim=True),
    "norm": lambda x: x.norm(dim=1) + torch.linalg.vector_norm(x, 1, dim=1) + F.normalize(x, dim=1).sum(1),
    "top": lambda x: (x.topk(2, 1)[0], x.topk(3, largest=False)[1]),
    "cosine": lambda x: F.cosine_similarity(x, x * 2 + 1, dim=1),
}
LAYERS: dict[str, Callable[..., Any]] = {
    "product": lambda x: x @ x.mT + torch.bmm(x, x.mT) + torch.einsum("bij,bkj->bik", x, x),
    "product and sum": lambda x: (
        torch.baddbmm(x @ x.mT, x, x.mT, beta=0.5, alpha=2.0),
        torch.addmm(x[:, 0], x[:, 1, :4], x[0, :4]),
    ),
    "pools": lambda x: (F.max_pool1d(x, 2, padding=1), F.avg_pool1d(x, 3, 2, 1), F.max_pool1d(x, 4, 3, ceil_mode=True)),
    "pool by a number": lambda x: F.avg_pool2d(x[:, None], 2, divisor_override=3),
    "adaptive": lambda x: (F.adaptive_avg_pool1d(x, 4), F.adaptive_avg_pool2d(x[:, None], (3, 4))),
    "adaptive maximum": lambda x: F.adaptive_max_pool1d(x, 3).sum(2) + F.adaptive_max_pool1d(x, 1)[..., 0],
    "normalization": lambda x: F.rms_norm(x, (6,)) + F.layer_norm(x, (4, 6)) + F.group_norm(x, 2) + F.instance_norm(x),
    "vectors": lambda x: torch.mv(x[0], x[0, 0]) * torch.dot(x[0, 0], x[0, 1]) + torch.outer(x[0, 0], x[0, 1]).sum(),
    "direction and length": lambda x: x @ torch._weight_norm(torch.ones(6, 2), torch.ones(1, 2), 1),
    "local response": lambda x: F.local_response_norm(x, 3),
    "attention": lambda x: F.scaled_dot_product_attention(x, x, x, attn_mask=torch.ones(4, 4).tril() > 0),
    "attention, scaled": lambda x: F.scaled_dot_product_attention(x, x, x, scale=0.3, is_causal=True),
    "larger": lambda x: F.interpolate(x, scale_factor=2.0) + F.interpolate(x, size=12),
    "larger, between": lambda x: (
        F.interpolate(x, scale_factor=2, mode="linear") + F.interpolate(x, size=12, mode="linear", align_corners=True),
        F.interpolate(x[:, None], size=(8, 9), mode="bilinear"),
    ),
    "shuffle": lambda x: F.pixel_shuffle(x.reshape(-1, 4, 2, 3), 2),
}
TABLES = {"curves": CURVES, "shapes": SHAPES, "layers": LAYERS}


class Several(nn.Module):
    def __init__(self, functions: dict[str, Callable[..., Any]]):
        super().__init__()
        self.functions = functions

    def forward(self, x):
        return {name: function(x) for name, function in self.functions.items()}


@pytest.mark.parametrize("table", TABLES)
def test_onnxruntime_computes_the_same(table):
    module = Several(TABLES[table])
    model = model_of(module, normal(2, 4, 6).astype("f"))
    x = normal(3, 4, 6).astype("f")  # another batch than the example's
    wanted = [
        (name, part)
        for name, made in module(torch.from_numpy(x)).items()
        for part in (made if isinstance(made, tuple) else (made,))
    ]
    got = computed_by_onnxruntime(model, x)
    assert len(got) == len(wanted)
    for mine, (name, theirs) in zip(got, wanted, strict=True):
        assert mine.dtype == theirs.numpy().dtype, name
        np.testing.assert_allclose(mine, theirs.numpy(), 1e-5, 1e-5, err_msg=name)


@pytest.mark.parametrize(
    "name", ["mlp", "mobilenet", "lstm tagger", "gru, its own state", "transformer", "norms", "decoder"]
)
def test_onnxruntime_computes_whole_modules(name):
    module, x = module_of(name, torch.float32), MODULES[name][1]
    model = model_of(module, x[:1])
    wanted = module(tensor(x, torch.float32))
    got = computed_by_onnxruntime(model, x)
    for mine, theirs in zip(got, wanted if isinstance(wanted, tuple) else [wanted], strict=True):
        np.testing.assert_allclose(mine, theirs.detach().numpy(), 2e-5, 2e-5)


def test_the_table_has_no_row_that_pytorch_does_not_know():
    names = {name.partition(".")[0] for name in rows()}
    unknown = {name for name in names if not hasattr(torch.ops.aten, name)}
    assert unknown == set()


def test_what_cannot_be_translated_is_listed_all_at_once_with_its_place():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Sequential(nn.MaxPool2d(2, return_indices=True))

        def forward(self, x):
            return (
                self.inner(x)[1].sum() + torch.linalg.det(x[:, 0]) + x.relu().sum() + torch.special.bessel_j0(x).sum()
            )

    with pytest.raises(InteropError, match="for 3 of its operations") as caught:
        model_of(Odd(), normal(2, 1, 4, 4))
    assert "inner.0 (<built-in function getitem>): output 1 of aten.max_pool2d_with_indices" in str(caught.value)
    assert "aten.linalg_det" in str(caught.value)
    assert "bessel_j0" in str(caught.value)


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (lambda x: x[x > 0].sum(), "torch.export does not get through|with a mask"),
        (lambda x: x.view(torch.int32).float(), "in this form it is not translated"),
        (lambda x: x.to(torch.bfloat16).float(), "numbers of type bfloat16"),
        (lambda x: x.norm(3, dim=1), "a norm of order 3"),
        (lambda x: x.roll(1), "over all numbers at once"),
        (lambda x: F.conv1d(x[0], torch.ones(1, 4, 1)), "with a batch and channels"),
        (lambda x: x.var(), "whose length is not known beforehand"),
        (lambda x: F.batch_norm(x, None, None, training=True), "no running statistics"),
        (lambda x: x if x.sum() > 0 else -x, "torch.export does not get through"),
    ],
)
def test_refusals_say_why(function, why):
    with pytest.raises(InteropError, match=why):
        model_of(Several({"y": function}), normal(2, 4, 6))
