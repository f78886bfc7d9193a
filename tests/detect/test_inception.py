from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from detect.inception import AuxiliaryClassifier, Inception, InceptionWidths


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def all_ones(module: torch.nn.Module) -> None:
    for name, parameter in module.named_parameters():
        torch.nn.init.constant_(parameter, 0.0 if name.endswith("bias") else 1.0)


def test_widths_of_3a_by_hand() -> None:
    widths = InceptionWidths(64, 96, 128, 16, 32, 32)
    assert widths.output == 64 + 128 + 32 + 32 == 256
    # 1×1: 192·64 = 12288; 3×3: 192·96 + 96·128·9 = 18432 + 110592; 5×5: 192·16 + 16·32·25 = 3072 + 12800;
    # pooled: 192·32 = 6144; together 163328, the "159K" of GoogLeNet's Table 1 (/ 1024), and a bias for each channel.
    module = Inception(192, widths)
    assert sum(p.numel() for p in module.parameters()) == 163_328 + 64 + 96 + 128 + 16 + 32 + 32


def test_four_branches_by_hand() -> None:
    module = Inception(1, InceptionWidths(1, 1, 1, 1, 1, 1))
    all_ones(module)
    features = torch.tensor([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]])[None, None]
    output = module(features)[0]
    assert output[0].tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert output[1].tolist() == [[12, 21, 16], [27, 45, 33], [24, 39, 28]]  # 1+2+4+5, 1+2+3+4+5+6, 2+3+5+6, ...
    assert output[2].tolist() == [[45] * 3] * 3  # 5×5 around any of the nine holds all nine
    assert output[3].tolist() == [[5, 6, 6], [8, 9, 9], [8, 9, 9]]  # the greatest of 3×3


def test_rectified_before_the_second_convolution_and_at_the_end() -> None:
    module = Inception(1, InceptionWidths(1, 1, 1, 1, 1, 1))
    all_ones(module)
    output = module(torch.tensor([[[[-3.0, 1.0]]]]))[0].flatten(1)
    assert output.tolist() == [[0, 1], [1, 1], [1, 1], [1, 1]]  # without the inner ReLU: −3 + 1 = −2, so 0
    torch.nn.init.constant_(module.reduce3x3.bias, 2.0)
    torch.nn.init.constant_(module.conv5x5.bias, -0.75)
    torch.nn.init.constant_(module.pool_proj.bias, -9.0)
    output = module(torch.tensor([[[[-3.0, 1.0]]]]))[0].flatten(1)
    assert output.tolist() == [[0, 1], [3, 3], [0.25, 0.25], [0, 0]]  # max(−3+2, 0) + (1+2); 1 − 0.75; 1 − 9


@pytest.mark.parametrize("seed", range(3))
def test_each_branch_alone(seed: int) -> None:
    torch.manual_seed(seed)
    module = Inception(7, InceptionWidths(3, 4, 5, 2, 6, 3))
    features = random(2, 7, 6, 5, seed=seed)
    before = features.clone()
    output = module(features)
    narrow = F.relu(F.conv2d(features, module.reduce3x3.weight, module.reduce3x3.bias))
    wide = F.relu(F.conv2d(features, module.reduce5x5.weight, module.reduce5x5.bias))
    pooled = F.max_pool2d(F.pad(features, (1, 1, 1, 1), value=-torch.inf), 3, stride=1)
    expected = [
        F.conv2d(features, module.conv1x1.weight, module.conv1x1.bias),
        F.conv2d(F.pad(narrow, (1, 1, 1, 1)), module.conv3x3.weight, module.conv3x3.bias),
        F.conv2d(F.pad(wide, (2, 2, 2, 2)), module.conv5x5.weight, module.conv5x5.bias),
        F.conv2d(pooled, module.pool_proj.weight, module.pool_proj.bias),
    ]
    for part, branch in zip(torch.split(output, [3, 5, 6, 3], dim=1), expected, strict=True):
        torch.testing.assert_close(part, F.relu(branch), rtol=1e-4, atol=1e-5)
    assert torch.equal(features, before)


@pytest.mark.parametrize("shape", [(0, 4, 5, 5), (1, 4, 1, 1), (2, 4, 3, 8)])
def test_height_and_width_are_kept(shape: tuple[int, ...]) -> None:
    module = Inception(4, InceptionWidths(1, 2, 3, 2, 4, 5))
    assert module(torch.zeros(shape)).shape == (shape[0], 1 + 3 + 4 + 5, *shape[2:])


def test_auxiliary_classifier_by_hand() -> None:
    module = AuxiliaryClassifier(2, 3).eval()
    all_ones(module)
    # (14 − 5) / 3 + 1 = 4. The mean of 1s is 1; over two channels 2; 128 · 4 · 4 of them 4096; 1024 of those.
    logits = module(torch.ones(2, 2, 14, 14))
    assert logits.tolist() == [[2 * 128 * 16 * 1024] * 3] * 2


def test_auxiliary_pooling_looks_at_five_by_five_every_third() -> None:
    module = AuxiliaryClassifier(1, 1).eval()
    all_ones(module)
    seen: list[Tensor] = []
    module.conv.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    features = torch.zeros(1, 1, 14, 14)
    features[0, 0, 3, 3] = 25.0  # in the windows that begin at 0 and 3, and not in those at 6 and 9
    module(features)
    assert seen[0][0, 0].tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


def test_auxiliary_dropout_is_70_percent() -> None:
    torch.manual_seed(0)
    module = AuxiliaryClassifier(2, 3)
    seen: list[Tensor] = []
    module.classifier.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    torch.nn.init.ones_(module.fc.bias)
    torch.nn.init.zeros_(module.fc.weight)
    features = torch.zeros(64, 2, 14, 14)
    module.train()(features)  # 65536 ones
    assert seen[0].unique().tolist() == pytest.approx([0, 1 / 0.3])
    assert (seen[0] == 0).float().mean().item() == pytest.approx(0.7, abs=0.01)
    module.eval()(features)
    assert seen[1].unique().tolist() == [1]


def test_auxiliary_edges() -> None:
    module = AuxiliaryClassifier(2, 3).eval()
    assert module(torch.zeros(0, 2, 14, 14)).shape == (0, 3)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        module(torch.zeros(1, 2, 17, 14))
