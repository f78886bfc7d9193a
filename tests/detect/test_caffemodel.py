from __future__ import annotations

import struct
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from caffe_bytes import bytes_field, floats_field, legacy_blob, named_blob, new_layer, number_field, old_layer, varint
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detect import caffemodel
from detect.caffemodel import CaffeModelError, read_caffemodel


def write(folder: Path, *parts: bytes) -> Path:
    path = folder / "x.caffemodel"
    path.write_bytes(b"".join(parts))
    return path


SMALL_NET = (
    bytes_field(1, b"net")
    + old_layer("data")
    + old_layer("conv", legacy_blob((1, 2, 1, 2), [1, 2, 3, 4]), legacy_blob((1, 1, 1, 1), [5], packed=False))
    + new_layer("fc", named_blob((2, 1), [6, 7]))
)


def test_hand_worked_bytes(tmp_path: Path) -> None:
    blob = (
        bytes.fromhex("08 01  10 01  18 01  20 02")  # tags 1·8+0 … 4·8+0: num 1, channels 1, height 1, width 2
        + bytes.fromhex("2A 08")  # tag 5·8+2 = 42: packed data, 2 · 4 = 8 bytes
        + bytes.fromhex("00 00 80 3F")  # 0x3F800000: sign 0, exponent 127−127 = 0, fraction 1 → 1.0
        + bytes.fromhex("00 00 20 C0")  # 0xC0200000: sign 1, exponent 128−127 = 1, fraction 1.25 → −2.5
    )
    layer = bytes([0x22, 1, ord("c"), 0x32, len(blob)]) + blob  # tags 4·8+2 name, 6·8+2 blobs
    assert len(blob) == 8 + 2 + 8
    assert len(layer) == 3 + 2 + 18
    path = write(tmp_path, bytes([0x12, 23]) + layer)  # tag 2·8+2 layers
    weights = read_caffemodel(path)
    assert list(weights) == ["c"]
    assert weights["c"][0].shape == (1, 1, 1, 2)
    assert weights["c"][0].tolist() == [[[[1.0, -2.5]]]]


def test_hand_worked_field_100_and_two_byte_varints(tmp_path: Path) -> None:
    # Tag 100·8+2 = 802 = 6·128 + 34 → bytes 34+128 = 0xA2, 6. Dim 300 = 2·128 + 44 → 44+128 = 0xAC, 2.
    # Data of 4 · 300 = 1200 = 9·128 + 48 bytes → 0xB0, 9.
    data = np.arange(300, dtype="<f4")
    blob = bytes([0x3A, 3, 0x08, 0xAC, 2, 0x2A, 0xB0, 9]) + data.tobytes()
    # Blob: 8 + 1200 = 1208 = 9·128 + 56 → 0xB8, 9. Layer: 3 + 3 + 1208 = 1214 = 9·128 + 62 → 0xBE, 9.
    layer = bytes([0x0A, 1, ord("n"), 0x3A, 0xB8, 9]) + blob
    weights = read_caffemodel(write(tmp_path, bytes([0xA2, 6, 0xBE, 9]) + layer))
    np.testing.assert_array_equal(weights["n"][0], data)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(
    ("layer", "blob", "shape"),
    [
        (old_layer, legacy_blob, (2, 1, 3, 1)),
        (new_layer, named_blob, (2, 3)),
        (new_layer, legacy_blob, (1, 1, 2, 3)),
    ],
)
def test_both_layer_forms_packed_and_not(tmp_path: Path, layer, blob, shape, packed: bool) -> None:
    values = [0.5, -1, 2, -4, 8, 1e-30]
    weights = read_caffemodel(write(tmp_path, layer("a/b", blob(shape, values, packed))))
    np.testing.assert_array_equal(weights["a/b"][0], np.float32(values).reshape(shape))


def test_small_net(tmp_path: Path) -> None:
    weights = read_caffemodel(write(tmp_path, SMALL_NET))
    assert {name: [blob.shape for blob in blobs] for name, blobs in weights.items()} == {
        "conv": [(1, 2, 1, 2), (1, 1, 1, 1)],
        "fc": [(2, 1)],
    }
    assert [blob.ravel().tolist() for blobs in weights.values() for blob in blobs] == [
        [1, 2, 3, 4],
        [5],
        [6, 7],
    ]


def test_arrays_are_ours(tmp_path: Path) -> None:
    path = write(tmp_path, SMALL_NET)
    blobs = [blob for blobs in read_caffemodel(path).values() for blob in blobs]
    for blob in blobs:
        assert blob.dtype == np.dtype("<f4")
        assert blob.flags.c_contiguous
        assert blob.flags.writeable
        assert blob.flags.aligned
        blob[...] = 9
    assert not any(np.shares_memory(a, b) for a in blobs for b in blobs if a is not b)
    assert path.read_bytes() == SMALL_NET


def test_runs_of_packed_and_single_numbers_join_in_order(tmp_path: Path) -> None:
    blob = floats_field(5, [1, 2]) + floats_field(5, [3], packed=False) + bytes_field(7, number_field(1, 2))
    blob += floats_field(5, [4]) + bytes_field(7, bytes_field(1, varint(2)))
    assert read_caffemodel(write(tmp_path, new_layer("a", blob)))["a"][0].tolist() == [[1, 2], [3, 4]]


def test_double_data(tmp_path: Path) -> None:
    shape = bytes_field(7, bytes_field(1, varint(3)))
    blob = shape + bytes_field(8, struct.pack("<2d", 0.1, -2)) + varint(8 * 8 + 1) + struct.pack("<d", 3)
    read = read_caffemodel(write(tmp_path, new_layer("a", blob)))["a"][0]
    np.testing.assert_array_equal(read, np.float32([0.1, -2, 3]))
    assert read.dtype == np.float32


def test_unknown_fields_are_skipped_unopened(tmp_path: Path) -> None:
    junk = number_field(900, 2**64 - 1) + bytes_field(901, b"\xff\xff\xff") + varint(902 * 8 + 5) + b"abcd"
    junk += varint(903 * 8 + 1) + b"abcdefgh"
    diff = floats_field(6, [9, 9])
    blob = junk + legacy_blob((1, 1, 1, 1), [7]) + diff
    layer = bytes_field(2, junk + bytes_field(6, blob) + bytes_field(4, b"late name"))
    assert read_caffemodel(write(tmp_path, junk, layer, junk))["late name"][0].item() == 7


def test_legacy_shape_goes_before_a_named_one(tmp_path: Path) -> None:
    blob = named_blob((2,), [1, 2]) + number_field(1, 1) + number_field(2, 1) + number_field(3, 2) + number_field(4, 1)
    assert read_caffemodel(write(tmp_path, old_layer("a", blob)))["a"][0].shape == (1, 1, 2, 1)


def test_no_axes_is_one_number(tmp_path: Path) -> None:
    assert read_caffemodel(write(tmp_path, new_layer("a", floats_field(5, [3]))))["a"][0].shape == ()


GOOD_BLOB = legacy_blob((1, 1, 1, 1), [7])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no layer with weights"),
        (bytes_field(1, b"net") + old_layer("a"), "no layer with weights"),
        (
            old_layer("a", GOOD_BLOB) + new_layer("a", GOOD_BLOB),
            "a second layer named 'a' with weights at byte",
        ),
        (old_layer("", GOOD_BLOB), "no name"),
        (bytes_field(2, bytes_field(4, b"\xff")), "not UTF-8 at byte 4"),
        (bytes_field(2, bytes_field(4, b"n" * 1025)), "name longer than 1024 bytes"),
        (
            old_layer("a", legacy_blob((1, 2, 3, 4), [1, 2])),
            r"24 numbers for its shape \(1, 2, 3, 4\), got 2",
        ),
        (old_layer("a", number_field(2, 1) + floats_field(5, [1])), r"impossible shape \(0, 1, 0, 0\)"),
        (old_layer("a", legacy_blob((1, 1, 1, -1), [1])), r"impossible shape \(1, 1, 1, -1\)"),
        (old_layer("a", legacy_blob((1, 1, 1, 0), [])), "impossible shape"),
        (new_layer("a", named_blob((2**31,), [])), "impossible shape"),
        (new_layer("a", named_blob((2**31 - 1,) * 32, [1])), "numbers for its shape"),
        (new_layer("a", named_blob((1,) * 33, [1])), "more than 32 axes"),
        (new_layer("a", named_blob((1,) * 33, [1], packed=False)), "more than 32 axes"),
        (new_layer("a", named_blob((1,) * 20, []) + named_blob((1,) * 20, [1])), "more than 32 axes"),
        (new_layer("a", named_blob((1,) * 400, [1])), "more than 32 axes"),
        (new_layer("a", named_blob((1,), [float("nan")])), "NaN or infinity"),
        (new_layer("a", named_blob((1,), []) + bytes_field(8, struct.pack("<d", 1e300))), "NaN or infinity"),
        (new_layer("a", bytes_field(5, b"12345")), "5 bytes of 4-byte numbers at byte"),
        (new_layer("a", number_field(5, 1)), "field 5 .* expected wire type 5, got 0"),
        (number_field(2, 1), "field 2 before byte 1: expected wire type 2, got 0"),
        (bytes([0x0B, 0x0C]), r"wire type 3 \(group or unknown\) at byte 0"),
        (bytes([0x0E]), r"wire type 6 \(group or unknown\) at byte 0"),
        (bytes([0x00, 0x00]), "impossible field number 0 at byte 0"),
        (varint(2**32), "impossible field number 536870912 at byte 0"),
        (bytes([0x08]) + b"\xff" * 9 + b"\x02", "more than 64 bits at byte 1"),
        (bytes([0x08]) + b"\xff" * 20, "more than 64 bits at byte 1"),
        (bytes([0x08, 0x80]), "cut off inside a number at byte 1"),
        (bytes([0x12, 5, 0x22, 1]), "field 2 needs 5 bytes, 2 are left, at byte 2"),
        (
            bytes([0x12, 2, 0x22, 1, ord("a")]),
            "field 4 needs 1 bytes, 0 are left, at byte 4",
        ),  # overruns its parent
        (bytes([0x0A]) + varint(2**64 - 1), "needs 18446744073709551615 bytes"),
        (bytes([0x0D, 1, 2, 3]), "field 1 needs 4 bytes, 3 are left"),
        (b"PK\x03\x04" + bytes(60), "x.caffemodel: "),
        (b"<!DOCTYPE html><html>not found</html>", "x.caffemodel: "),
    ],
)
def test_bad_files(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(CaffeModelError, match=message) as caught:
        read_caffemodel(write(tmp_path, content))
    assert str(caught.value).startswith(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_layers_without_weights_may_share_a_name(tmp_path: Path) -> None:
    net = old_layer("data") + old_layer("data") + old_layer("data", GOOD_BLOB)
    assert list(read_caffemodel(write(tmp_path, net))) == ["data"]


def test_unreadable(tmp_path: Path) -> None:
    with pytest.raises(CaffeModelError, match=r"no\.caffemodel: cannot be read: No such file"):
        read_caffemodel(tmp_path / "no.caffemodel")
    with pytest.raises(CaffeModelError, match="got a folder"):
        read_caffemodel(tmp_path)


def test_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse.caffemodel"
    with path.open("wb") as file:
        file.truncate(2**30 + 1)
    with pytest.raises(CaffeModelError, match="at most 1073741824 bytes, got 1073741825"):
        read_caffemodel(path)


def test_too_many_fields_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert caffemodel._MAX_FIELDS == 2**20
    # Fields: 1 layer; in it bottom, top, name, type, 1 blob; in that 4 dims, 1 run of data: 1 + 5 + 5 = 11.
    path = write(tmp_path, old_layer("a", GOOD_BLOB))
    monkeypatch.setattr(caffemodel, "_Source", partial(caffemodel._Source, fields_left=11))
    assert list(read_caffemodel(path)) == ["a"]
    path = write(tmp_path, old_layer("a", GOOD_BLOB), number_field(9, 1))
    with pytest.raises(CaffeModelError, match="more than 1048576 fields at byte"):
        read_caffemodel(path)


def test_cut_off_at_every_byte(tmp_path: Path) -> None:
    whole = read_caffemodel(write(tmp_path, SMALL_NET))
    shorter = set()
    for length in range(len(SMALL_NET)):
        try:
            weights = read_caffemodel(write(tmp_path, SMALL_NET[:length]))
        except CaffeModelError:
            continue
        shorter.add(length)
        assert list(weights) == list(whole)[: len(weights)]
    # The only places to cut are between layers, and what is left needs weights.
    assert shorter == {len(SMALL_NET) - len(new_layer("fc", named_blob((2, 1), [6, 7])))}


@settings(max_examples=300, deadline=1000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_give_an_error_or_weights(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(SMALL_NET)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content)))
        gone = data.draw(st.integers(0, 3))
        content[at : at + gone] = data.draw(st.binary(max_size=4))
    check_error_or_weights(write(tmp_path, bytes(content)))


@settings(max_examples=200, deadline=1000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=60))
def test_any_bytes_inside_a_layer(tmp_path: Path, content: bytes) -> None:
    check_error_or_weights(write(tmp_path, content))
    check_error_or_weights(write(tmp_path, bytes_field(100, bytes_field(1, b"a") + bytes_field(7, content))))


def check_error_or_weights(path: Path) -> None:
    try:
        weights = read_caffemodel(path)
    except CaffeModelError:
        return
    held = sum(blob.nbytes for blobs in weights.values() for blob in blobs)
    assert 0 < held <= path.stat().st_size


def test_deep_nesting_is_not_entered(tmp_path: Path) -> None:
    deep = b""
    for _ in range(3000):
        deep = bytes_field(2, deep)
    with pytest.raises(CaffeModelError, match="no layer with weights"):
        read_caffemodel(write(tmp_path, deep))


# Oracles: Google's protobuf, given the field numbers below, and OpenCV 4, which has Caffe's own (5 has not).
# Both are skipped where missing, so WRITTEN_BY_PROTOBUF keeps what the one wrote and the other read alike.

MESSAGES = {
    "BlobShape": [("dim", 1, "INT64", True)],
    "BlobProto": [
        *[(name, index + 1, "INT32", False) for index, name in enumerate(("num", "channels", "height", "width"))],
        ("data", 5, "FLOAT", True),
        ("diff", 6, "FLOAT", True),
        ("shape", 7, "BlobShape", False),
        ("double_data", 8, "DOUBLE", True),
    ],
    "V1LayerParameter": [("name", 4, "STRING", False), ("blobs", 6, "BlobProto", True)],
    "LayerParameter": [
        ("name", 1, "STRING", False),
        ("type", 2, "STRING", False),
        ("blobs", 7, "BlobProto", True),
    ],
    "NetParameter": [
        ("name", 1, "STRING", False),
        ("layers", 2, "V1LayerParameter", True),
        ("layer", 100, "LayerParameter", True),
    ],
}


def protobuf_net() -> Any:
    """An empty NetParameter of Google's protobuf."""
    reason = "protobuf is not installed"
    descriptor_pb2 = pytest.importorskip("google.protobuf.descriptor_pb2", reason=reason)
    descriptor_pool = pytest.importorskip("google.protobuf.descriptor_pool", reason=reason)
    message_factory = pytest.importorskip("google.protobuf.message_factory", reason=reason)
    file = descriptor_pb2.FileDescriptorProto(name="caffe.proto", package="caffe", syntax="proto2")
    kinds = descriptor_pb2.FieldDescriptorProto
    for message, fields in MESSAGES.items():
        added = file.message_type.add(name=message)
        for name, number, kind, repeated in fields:
            field = added.field.add(name=name, number=number)
            field.label = kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL
            field.type = kinds.TYPE_MESSAGE if kind in MESSAGES else getattr(kinds, f"TYPE_{kind}")
            if kind in MESSAGES:
                field.type_name = f".caffe.{kind}"
            field.options.packed = repeated and kind in ("INT64", "FLOAT", "DOUBLE")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("caffe.NetParameter"))()


def test_reads_what_google_protobuf_writes(tmp_path: Path) -> None:
    net = protobuf_net()
    rng = np.random.default_rng(0)
    expected = {}
    for index in range(6):
        old = index % 2 == 0
        layer = (net.layers if old else net.layer).add(name=f"layer {index}")
        shape = tuple(int(dim) for dim in rng.integers(1, 20, 4 if old else index))
        expected[f"layer {index}"] = values = rng.normal(size=shape).astype(np.float32)
        blob = layer.blobs.add(data=values.ravel().tolist(), diff=[0.0])
        if old:
            blob.num, blob.channels, blob.height, blob.width = shape
        else:
            blob.shape.dim.extend(shape)
    read = read_caffemodel(write(tmp_path, net.SerializeToString()))
    assert set(read) == set(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(read[name][0], values)


@settings(max_examples=300, deadline=1000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_it_accepts_google_protobuf_reads_alike(tmp_path: Path, data: st.DataObject) -> None:
    net = protobuf_net()
    content = bytearray(SMALL_NET)
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        weights = read_caffemodel(write(tmp_path, bytes(content)))
    except CaffeModelError:
        return
    net.ParseFromString(bytes(content))
    theirs = {layer.name: layer.blobs for layer in [*net.layers, *net.layer] if layer.blobs}
    assert set(theirs) == set(weights)
    for name, blobs in weights.items():
        assert [blob.ravel().tolist() for blob in blobs] == [
            np.float32(blob.double_data or blob.data).tolist() for blob in theirs[name]
        ]


WRITTEN_BY_PROTOBUF = {
    "layers": (
        "12362204636f6e76321a08021001180120022a100000003f000080bf000040406f12833a3212080110011801"
        "20022a080000803e000000c1"
    ),
    "layer": (
        "a206330a04636f6e763a1a2a100000003f000080bf000040406f12833a3a060a04020101023a0f2a080000803e000000c13a030a0102"
    ),
}
WEIGHT, BIAS = [[[[0.5, -1.0]]], [[[3.0, 1e-3]]]], [0.25, -8.0]


@pytest.mark.parametrize("form", ["layers", "layer"])
def test_kept_bytes_of_google_protobuf(tmp_path: Path, form: str) -> None:
    """Written by protobuf 7.36.2 (the test below repeats it), read with these values by OpenCV 4.14.0."""
    weight, bias = read_caffemodel(write(tmp_path, bytes.fromhex(WRITTEN_BY_PROTOBUF[form])))["conv"]
    np.testing.assert_array_equal(weight, np.float32(WEIGHT))
    np.testing.assert_array_equal(bias.ravel(), np.float32(BIAS))
    assert bias.shape == ((1, 1, 1, 2) if form == "layers" else (2,))


@pytest.mark.parametrize("form", ["layers", "layer"])
def test_google_protobuf_still_writes_the_kept_bytes(form: str) -> None:
    net = protobuf_net()
    layer = getattr(net, form).add(name="conv")
    for values in (np.float32(WEIGHT), np.float32(BIAS)):
        blob = layer.blobs.add(data=values.ravel().tolist())
        if form == "layers":
            blob.num, blob.channels, blob.height, blob.width = (1,) * (4 - values.ndim) + values.shape
        else:
            blob.shape.dim.extend(values.shape)
    assert net.SerializeToString(deterministic=True).hex() == WRITTEN_BY_PROTOBUF[form]


@pytest.mark.parametrize("form", ["layers", "layer"])
def test_opencv_4_reads_the_same_weights(form: str) -> None:
    cv2 = pytest.importorskip("cv2")
    if not hasattr(cv2.dnn, "readNetFromCaffe"):
        pytest.skip("this OpenCV cannot read Caffe models (5 and later)")
    kind = "CONVOLUTION" if form == "layers" else '"Convolution"'
    prototxt = f"""input: "data" input_dim: 1 input_dim: 1 input_dim: 8 input_dim: 8
        {form} {{ name: "conv" type: {kind} bottom: "data" top: "conv"
                  convolution_param {{ num_output: 2 kernel_h: 1 kernel_w: 2 }} }}"""
    model = bytes.fromhex(WRITTEN_BY_PROTOBUF[form])
    net = cv2.dnn.readNetFromCaffe(*(np.frombuffer(text, np.uint8) for text in (prototxt.encode(), model)))
    np.testing.assert_array_equal(net.getParam("conv", 0), np.float32(WEIGHT))
    np.testing.assert_array_equal(net.getParam("conv", 1).ravel(), np.float32(BIAS))
