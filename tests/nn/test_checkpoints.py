"""Weights of timm and torchvision: small files of the same layout, against NumPy."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save, save_file

from engrax.nn import (
    ResNet,
    load_timm_vit,
    load_torchvision_resnet18,
    load_torchvision_vit,
)

D, DEPTH, HEADS, HIDDEN, PATCH, CHANNELS, CLASSES = 12, 2, 3, 20, 2, 3, 5
WIDTHS = (3, 4, 5, 6)


def vit_tensors(rows=2, columns=2, seed=0):
    """What timm's state dict of such a ViT holds."""
    random = np.random.default_rng(seed)

    def drawn(*shape):
        return random.normal(0, 0.5, shape).astype(np.float32)

    tensors = {
        "cls_token": drawn(1, 1, D),
        "pos_embed": drawn(1, rows * columns + 1, D),
        "patch_embed.proj.weight": drawn(D, CHANNELS, PATCH, PATCH),
        "patch_embed.proj.bias": drawn(D),
        "norm.weight": 1 + drawn(D),
        "norm.bias": drawn(D),
        "head.weight": drawn(CLASSES, D),
        "head.bias": drawn(CLASSES),
    }
    for i in range(DEPTH):
        shapes = {
            "norm1.weight": (D,), "norm1.bias": (D,), "norm2.weight": (D,), "norm2.bias": (D,),
            "attn.qkv.weight": (3 * D, D), "attn.qkv.bias": (3 * D,),
            "attn.proj.weight": (D, D), "attn.proj.bias": (D,),
            "mlp.fc1.weight": (HIDDEN, D), "mlp.fc1.bias": (HIDDEN,),
            "mlp.fc2.weight": (D, HIDDEN), "mlp.fc2.bias": (D,),
        }  # fmt: skip
        tensors |= {f"blocks.{i}.{name}": drawn(*shape) for name, shape in shapes.items()}
    return tensors


def as_torchvision(tensors, mlp=("mlp.0", "mlp.3")):
    """The same weights under torchvision's names."""
    first = (
        ("cls_token", "class_token"), ("pos_embed", "encoder.pos_embedding"),
        ("patch_embed.proj", "conv_proj"), ("head.", "heads.head."),
        ("attn.qkv.", "self_attention.in_proj_"), ("attn.proj", "self_attention.out_proj"),
        ("norm1", "ln_1"), ("norm2", "ln_2"), ("mlp.fc1", mlp[0]), ("mlp.fc2", mlp[1]),
        ("blocks.", "encoder.layers.encoder_layer_"), ("norm.", "encoder.ln."),
    )  # fmt: skip
    renamed = {}
    for name, tensor in tensors.items():
        for old, new in first:
            name = name.replace(old, new)
        renamed[name] = tensor
    return renamed


def layer_norm(x, weight, bias):
    mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) / np.sqrt(var + 1e-6) * weight + bias


def slow_vit(t, image):
    """A ViT in float64 as its paper has it, one patch, one head, one query at a time."""
    t = {name: tensor.astype(np.float64) for name, tensor in t.items()}
    _, rows, columns = image.shape
    tokens = [t["cls_token"][0, 0]]
    for i in range(0, rows, PATCH):
        for j in range(0, columns, PATCH):
            patch = image[:, i : i + PATCH, j : j + PATCH]
            tokens.append(
                (t["patch_embed.proj.weight"] * patch).sum((1, 2, 3)) + t["patch_embed.proj.bias"]
            )
    x = np.array(tokens) + t["pos_embed"][0]
    size = D // HEADS
    for b in range(DEPTH):
        w = {name.split(".", 2)[2]: v for name, v in t.items() if name.startswith(f"blocks.{b}.")}
        y = layer_norm(x, w["norm1.weight"], w["norm1.bias"])
        q, k, v = np.split(y @ w["attn.qkv.weight"].T + w["attn.qkv.bias"], 3, axis=1)
        mixed = np.zeros_like(x)
        for h in range(HEADS):
            own = slice(h * size, (h + 1) * size)
            for i in range(len(x)):
                score = np.exp(k[:, own] @ q[i, own] / math.sqrt(size))
                mixed[i, own] = score / score.sum() @ v[:, own]
        x = x + mixed @ w["attn.proj.weight"].T + w["attn.proj.bias"]
        y = layer_norm(x, w["norm2.weight"], w["norm2.bias"])
        y = y @ w["mlp.fc1.weight"].T + w["mlp.fc1.bias"]
        y = y * (1 + np.vectorize(math.erf)(y / math.sqrt(2))) / 2
        x = x + y @ w["mlp.fc2.weight"].T + w["mlp.fc2.bias"]
    features = layer_norm(x, t["norm.weight"], t["norm.bias"])[0]
    return features, t["head.weight"] @ features + t["head.bias"]


def test_a_vit_of_timm_and_of_torchvision_against_loops(tmp_path):
    tensors = vit_tensors()
    image = np.random.default_rng(1).normal(size=(CHANNELS, 4, 4)).astype(np.float32)
    features, logits = slow_vit(tensors, image)
    nets = []
    for name, held, load in (
        ("timm", tensors, load_timm_vit),
        ("torchvision", as_torchvision(tensors), load_torchvision_vit),
        (
            "older",
            as_torchvision(tensors, ("mlp.linear_1", "mlp.linear_2")),
            load_torchvision_vit,
        ),
    ):
        save_file(held, tmp_path / name)
        nets.append(load(tmp_path / name, heads=HEADS))
    net, *others = nets
    found = jax.jit(lambda net, x: (net.features(x), net(x)))
    for one, two in zip((features, logits), found(net, jnp.asarray(image)), strict=True):
        # A few hundred roundings of 6e-8 on numbers of size 1 to 10.
        np.testing.assert_allclose(two, one, rtol=1e-4, atol=1e-4)
    for other in others:
        for one, two in zip(*map(jax.tree.leaves, (net, other)), strict=True):
            np.testing.assert_array_equal(one, two)


def test_a_vit_for_images_that_are_no_squares_and_with_a_new_head(tmp_path):
    tensors = vit_tensors(2, 3)
    held = {k: v.astype(np.float16) for k, v in tensors.items() if not k.startswith("head.")}
    save_file(held, tmp_path / "body")
    net = load_timm_vit(tmp_path / "body", heads=HEADS, image=(4, 6), classes=7)
    image = np.random.default_rng(1).normal(size=(CHANNELS, 4, 6)).astype(np.float32)
    expected, _ = slow_vit({**tensors, **{k: v.astype(np.float32) for k, v in held.items()}}, image)
    np.testing.assert_allclose(net.features(jnp.asarray(image)), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(net(jnp.asarray(image)), np.zeros(7))
    assert {leaf.dtype for leaf in jax.tree.leaves(net)} == {jnp.dtype("float32")}
    with pytest.raises(ValueError, match="make no square"):
        load_timm_vit(tmp_path / "body", heads=HEADS, classes=7)
    with pytest.raises(ValueError, match="give the image that it was trained on"):
        load_timm_vit(tmp_path / "body", heads=HEADS, image=(4, 4), classes=7)


def resnet_tensors(seed=0):
    """What torchvision's state dict of a narrow ResNet-18 holds."""
    random = np.random.default_rng(seed)
    tensors = {}

    def layer(convolution, norm, out, channels, size):
        scale = 1 / math.sqrt(channels * size * size)
        weight = random.normal(0, scale, (out, channels, size, size))
        tensors[f"{convolution}.weight"] = weight.astype(np.float32)
        for name, low, high in (
            ("weight", 0.5, 1.5), ("bias", -1, 1), ("running_mean", -1, 1), ("running_var", 0.5, 2),
        ):  # fmt: skip
            tensors[f"{norm}.{name}"] = random.uniform(low, high, out).astype(np.float32)
        tensors[f"{norm}.num_batches_tracked"] = np.array(7, np.int64)

    layer("conv1", "bn1", WIDTHS[0], CHANNELS, 7)
    before = WIDTHS[0]
    for group, width in enumerate(WIDTHS):
        for block in range(2):
            name = f"layer{group + 1}.{block}"
            layer(f"{name}.conv1", f"{name}.bn1", width, before, 3)
            layer(f"{name}.conv2", f"{name}.bn2", width, width, 3)
            if before != width:
                layer(f"{name}.downsample.0", f"{name}.downsample.1", width, before, 1)
            before = width
    tensors["fc.weight"] = random.normal(size=(CLASSES, WIDTHS[-1])).astype(np.float32)
    tensors["fc.bias"] = random.normal(size=CLASSES).astype(np.float32)
    return tensors


def slow_resnet(t, x):
    """ResNet-18 in float64, one output pixel at a time."""
    t = {name: tensor.astype(np.float64) for name, tensor in t.items()}

    def conv(x, name, stride, padding):
        w = t[f"{name}.weight"]
        x = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
        size = w.shape[-1]
        rows, columns = ((n - size) // stride + 1 for n in x.shape[1:])
        out = np.zeros((len(w), rows, columns))
        for i in range(rows):
            for j in range(columns):
                window = x[:, i * stride : i * stride + size, j * stride : j * stride + size]
                out[:, i, j] = (w * window).sum((1, 2, 3))
        return out

    def norm(x, name):
        part = {
            n: t[f"{name}.{n}"][:, None, None]
            for n in ("weight", "bias", "running_mean", "running_var")
        }
        scaled = (x - part["running_mean"]) / np.sqrt(part["running_var"] + 1e-5)
        return scaled * part["weight"] + part["bias"]

    def pool(x):
        x = np.pad(x, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
        rows, columns = ((n - 3) // 2 + 1 for n in x.shape[1:])
        return np.array(
            [
                [x[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3].max((1, 2)) for j in range(columns)]
                for i in range(rows)
            ]
        ).transpose(2, 0, 1)

    x = pool(np.maximum(norm(conv(x, "conv1", 2, 3), "bn1"), 0))
    for group in range(4):
        for block in range(2):
            name, stride = f"layer{group + 1}.{block}", 2 if group and not block else 1
            y = np.maximum(norm(conv(x, f"{name}.conv1", stride, 1), f"{name}.bn1"), 0)
            y = norm(conv(y, f"{name}.conv2", 1, 1), f"{name}.bn2")
            if f"{name}.downsample.0.weight" in t:
                x = norm(conv(x, f"{name}.downsample.0", stride, 0), f"{name}.downsample.1")
            x = np.maximum(x + y, 0)
    features = x.mean((1, 2))
    return features, t["fc.weight"] @ features + t["fc.bias"]


def test_a_resnet18_of_torchvision_against_loops(tmp_path):
    tensors = resnet_tensors()
    save_file(tensors, tmp_path / "resnet18.safetensors")
    net = load_torchvision_resnet18(tmp_path / "resnet18.safetensors")
    # Both odd and even on the way: 37, 19, 10, 5, 3, 2 rows and 24, 12, 6, 3, 2, 1 columns.
    images = np.random.default_rng(1).normal(size=(2, CHANNELS, 37, 24)).astype(np.float32)
    both = jax.jit(lambda net, x: (net.features(x), net(x)))
    batch = both(net, jnp.moveaxis(jnp.asarray(images), 0, -1))
    for place, image in enumerate(images):
        for one, two in zip(slow_resnet(tensors, image), batch, strict=True):
            np.testing.assert_allclose(two[..., place], one, rtol=1e-3, atol=1e-4)
    fresh = load_torchvision_resnet18(tmp_path / "resnet18.safetensors", classes=3)
    np.testing.assert_array_equal(fresh.head, np.zeros((3, WIDTHS[-1])))
    np.testing.assert_array_equal(fresh.blocks[3].second.weight, net.blocks[3].second.weight)
    with pytest.raises(ValueError, match="widths=\\(\\)"):
        ResNet((), 2, key=jax.random.key(0))


LOADS = {
    "vit": (vit_tensors, lambda path: load_timm_vit(path, heads=HEADS)),
    "torchvision": (
        lambda: as_torchvision(vit_tensors()),
        lambda path: load_torchvision_vit(path, heads=HEADS),
    ),
    "resnet": (resnet_tensors, load_torchvision_resnet18),
}


@pytest.mark.parametrize("kind", LOADS)
def test_another_layout_is_one_clear_sentence(kind, tmp_path):
    make, load = LOADS[kind]
    tensors = make()

    def refused(held, message):
        path = tmp_path / "weights"
        path.write_bytes(held if isinstance(held, bytes) else save(held))
        with pytest.raises(ValueError, match=message) as caught:
            load(path)
        assert "\n" not in str(caught.value)
        assert str(path) in str(caught.value)

    needed = [name for name in tensors if not name.endswith("num_batches_tracked")]
    for name in needed[:: 1 + len(needed) // 24]:
        rest = {k: v for k, v in tensors.items() if k != name}
        if name.endswith("0.attn.qkv.weight") or name.endswith("0.self_attention.in_proj_weight"):
            refused(rest, "depth=0|no tensor")
        else:
            refused(rest, "has no tensor|holds")
    name = next(n for n in tensors if n.endswith(("qkv.bias", "in_proj_bias", "bn1.bias")))
    refused({**tensors, name: tensors[name][:-1]}, f"has {name!r} as .* expected float")
    refused({**tensors, name: tensors[name][None]}, f"has {name!r} of shape .* expected 1 axes")
    refused({**tensors, name: tensors[name].astype(np.int32)}, f"has {name!r} as int32")
    refused({**tensors, "zz.gamma": tensors[name]}, "holds 'zz.gamma', which this network")
    refused({}, "has no tensor")
    whole = save(tensors)
    # Cut short, and a header that tells of more bytes, of other places or of nothing that is JSON.
    refused(whole[:-4], "is no whole safetensors file")
    refused(whole + b"1234", "is no whole safetensors file")
    refused(whole.replace(b'"F32"', b'"F64"', 1), "is no whole safetensors file")
    refused(whole.replace(b'"F32"', b'"BF1', 1), "is no whole safetensors file")
    refused((2**40).to_bytes(8, "little") + whole[8:], "is no whole safetensors file")
    refused(b"", "is no whole safetensors file")
    with pytest.raises(ValueError, match="cannot be read"):
        load(tmp_path / "nowhere")


def test_a_vit_that_no_shape_gives_away(tmp_path):
    save_file(vit_tensors(), tmp_path / "vit")
    with pytest.raises(ValueError, match="heads that divide d"):
        load_timm_vit(tmp_path / "vit", heads=5)
    with pytest.raises(ValueError, match="divides rows and columns"):
        load_timm_vit(tmp_path / "vit", heads=HEADS, image=(5, 4))
    assert load_timm_vit(tmp_path / "vit").blocks[0].attention.heads == 1  # 12 features: one head
