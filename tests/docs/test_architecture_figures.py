"""The boxes of a drawing are the model's maps."""

from architecture_figures import Map, draw_architecture, trace_maps

from jaxseg.models import create_model


def small(head):
    return create_model(head, "resnet18", 3, width=0.125)


def test_maps_are_traced_in_the_order_of_computation():
    maps = trace_maps(small("fcn8s"), (64, 96))
    assert maps[0] == Map("image", "image", 64, 96, 3)
    assert maps[1] == Map("backbone", "", 32, 48, 8)
    assert maps[5] == Map("backbone", "", 2, 3, 64)
    head = [map.name for map in maps[6:]]
    assert head == ["score32", "score16", "score8", "logits"]
    assert maps[-1] == Map("head", "logits", 8, 12, 3)


def test_the_classifier_is_not_shown_beside_its_logits():
    names = [map.name for map in trace_maps(small("unet"), (64, 64))]
    assert "classifier" not in names and names[-1] == "logits"


def test_a_drawing_has_a_box_and_its_numbers_for_every_map():
    model = small("fcn32s")
    figure = draw_architecture(model, (64, 64), "A title")
    (axes,) = figure.axes
    count = len(trace_maps(model, (64, 64)))
    assert len(axes.patches) == 3 * count
    texts = [text.get_text() for text in axes.texts]
    assert texts.count("64×64") == 1 and texts.count("2×2") == 3
    assert axes.get_title(loc="left") == "A title"
