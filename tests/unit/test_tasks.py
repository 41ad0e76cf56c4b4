from functools import partial
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from saticl.errors import InvalidOptions, UnknownName
from saticl.labels import BACKGROUND, IGNORE, UNLABELLED
from saticl.protocol_files import load_protocols, protocol_from_dict, protocol_to_dict, read_protocols
from saticl.protocols import ISPRS, ISPRS_CLASSES
from saticl.tasks import Protocol, Task, find_protocol, offline


@st.composite
def protocols(draw: st.DrawFn) -> tuple[tuple[str, ...], Protocol]:
    """Classes of a dataset and a protocol that may have a background class and leave classes out."""
    classes = tuple(f"class{number}" for number in range(draw(st.integers(1, 12))))
    order = draw(st.permutations(classes))
    background = order.pop() if len(order) > 1 and draw(st.booleans()) else None
    learned = order[: draw(st.integers(1, len(order)))]
    cuts = sorted(draw(st.sets(st.integers(1, len(learned) - 1)))) if len(learned) > 1 else []
    groups = tuple(tuple(learned[a:b]) for a, b in zip([0, *cuts], [*cuts, len(learned)], strict=True))
    return classes, Protocol("drawn", groups, background)


@st.composite
def tasks(draw: st.DrawFn) -> Task:
    classes, protocol = draw(protocols())
    return Task(classes, protocol, draw(st.integers(0, len(protocol.groups) - 1)))


@given(protocols())
def test_an_index_once_given_never_moves(drawn: tuple[tuple[str, ...], Protocol]) -> None:
    first = Task(*drawn)

    for step in range(1, first.num_steps):
        before, now = first.at(step - 1), first.at(step)
        assert now.names[: before.num_seen] == before.names
        assert now.num_old == before.num_seen
        assert now.old == before.seen
        assert now.head_sizes[:-1] == before.head_sizes


@given(protocols())
def test_training_and_scoring_agree_on_the_index_of_a_class(drawn: tuple[tuple[str, ...], Protocol]) -> None:
    last = Task(*drawn).at(len(drawn[1].groups) - 1)

    for step in range(last.num_steps):
        task = last.at(step)
        for name in task.new:
            label = task.classes.index(name)
            assert task.train_table()[label] == last.eval_table()[label] == last.names.index(name)


@given(tasks(), st.sampled_from(["background", "ignore"]))
def test_tables_are_injective_on_seen_classes_and_keep_ignored_pixels(task: Task, unseen: str) -> None:
    table = task.eval_table(unseen)  # type: ignore[arg-type]
    seen = [int(table[task.classes.index(name)]) for name in task.seen]

    assert seen == list(range(1, task.num_seen))
    for one in (table, task.train_table()):
        assert one.shape == (256,)
        assert one.dtype == np.uint8
        assert (np.delete(one[len(task.classes) :], UNLABELLED - len(task.classes)) == IGNORE).all()


@given(tasks(), st.sampled_from(["background", "ignore"]))
def test_pixels_where_nothing_was_drawn_are_what_the_step_says(task: Task, unseen: str) -> None:
    for table in (task.train_table, partial(task.eval_table, unseen)):
        assert table()[UNLABELLED] == table(unlabelled="background")[UNLABELLED] == BACKGROUND  # type: ignore[operator]
        ignored = table(unlabelled="ignore")  # type: ignore[operator]
        assert ignored[UNLABELLED] == IGNORE
        assert (np.flatnonzero(ignored != table()) == UNLABELLED).all()  # type: ignore[operator]


@given(tasks())
def test_labels_of_old_classes_are_used_on_request_only(task: Task) -> None:
    used = task.train_table(old="use")

    for index, name in enumerate(task.seen, start=1):
        assert used[task.classes.index(name)] == index
    for name in task.future:
        assert used[task.classes.index(name)] == BACKGROUND


@given(tasks())
def test_training_shows_new_classes_and_background_only(task: Task) -> None:
    new = set(range(task.num_old, task.num_seen))

    assert set(task.train_table().tolist()) <= {BACKGROUND, IGNORE} | new
    for name in (*task.old, *task.future):
        assert task.train_table()[task.classes.index(name)] == BACKGROUND


@given(tasks())
def test_no_label_becomes_a_future_index(task: Task) -> None:
    for table in (task.train_table(), task.eval_table("background"), task.eval_table("ignore")):
        assert table[table != IGNORE].max() < task.num_seen


@given(tasks())
def test_unseen_classes_are_background_or_ignored_as_asked(task: Task) -> None:
    never = set(task.classes) - set(task.protocol.foreground) - {task.protocol.background}

    for name in (*task.future, *never):
        label = task.classes.index(name)
        assert task.eval_table("background")[label] == BACKGROUND
        assert task.eval_table("ignore")[label] == IGNORE


@given(tasks())
def test_a_background_class_is_background_in_every_table(task: Task) -> None:
    if task.protocol.background is None:
        assert task.names[0] == "background"
        return
    label = task.classes.index(task.protocol.background)

    assert task.names[0] == task.protocol.background
    assert task.train_table()[label] == task.eval_table("ignore")[label] == task.eval_table()[label] == BACKGROUND


@given(tasks())
def test_heads_have_a_channel_for_every_seen_class_and_the_background(task: Task) -> None:
    assert sum(task.head_sizes) == task.num_seen == len(task.names)
    assert len(task.head_sizes) == task.step + 1
    assert (*task.seen, *task.future) == task.protocol.foreground
    assert task.num_seen - task.num_old == task.num_new == len(task.new)


@given(protocols())
def test_a_protocol_survives_its_plain_form(drawn: tuple[tuple[str, ...], Protocol]) -> None:
    plain = yaml.safe_load(yaml.safe_dump(protocol_to_dict(drawn[1])))

    assert protocol_from_dict("drawn", plain) == drawn[1]


MOVING = Protocol("moving", (("car",), (), ("tree",)), places=(("x",), ("y", "z"), ()), aliases=("going",))


def test_places_and_aliases_survive_their_plain_form() -> None:
    plain = protocol_to_dict(MOVING)

    assert protocol_from_dict("moving", yaml.safe_load(yaml.safe_dump(plain))) == MOVING
    assert set(protocol_to_dict(ISPRS[1])) == {"steps", "background"}


def test_a_step_without_new_classes_shows_all_known_ones_and_grows_nothing() -> None:
    task = Task(ISPRS_CLASSES, MOVING, 1)
    car, tree = (ISPRS_CLASSES.index(name) for name in ("car", "tree"))

    assert (task.new, task.taught, task.places, task.at(2).places) == ((), ("car",), ("y", "z"), ())
    assert (task.num_new, task.num_old, task.num_seen, task.head_sizes) == (0, 2, 2, (2, 0))
    assert (task.train_table()[car], task.train_table()[tree]) == (1, BACKGROUND)
    assert (task.at(2).train_table()[car], task.at(2).train_table()[tree]) == (BACKGROUND, 2)


def test_a_protocol_is_found_under_its_aliases_and_its_own_name_wins() -> None:
    other = Protocol("going", (("tree",),))

    assert find_protocol("going", {"moving": MOVING}, ISPRS_CLASSES) is MOVING
    assert find_protocol("going", {"moving": MOVING, "going": other}, ISPRS_CLASSES) is other
    with pytest.raises(UnknownName, match="Valid: offline, moving, going"):
        find_protocol("gone", {"moving": MOVING}, ISPRS_CLASSES)


@given(tasks(), st.sampled_from(["background", "ignore"]), st.sampled_from(["ignore", "use"]))
def test_hidden_classes_are_background_or_ignored_in_training(task: Task, hidden: str, old: str) -> None:
    table = task.train_table(old=old, hidden=hidden)  # type: ignore[arg-type]
    shown = task.seen if old == "use" else task.new

    for label, name in enumerate(task.classes):
        if name in shown:
            assert table[label] == task.names.index(name)
        elif name == task.protocol.background or hidden == "background":
            assert table[label] == BACKGROUND
        else:
            assert table[label] == IGNORE


@given(tasks())
def test_void_is_ignored_unless_it_is_asked_to_be_background(task: Task) -> None:
    ignored, background = task.train_table(), task.train_table(void="background")

    assert (ignored[IGNORE], background[IGNORE]) == (IGNORE, BACKGROUND)
    assert np.flatnonzero(ignored != background).tolist() == [IGNORE]


def test_the_published_tasks_have_their_published_labels() -> None:
    """The published orders, in labels of the dataset."""
    published = {
        "offline": [[0, 1, 2, 3, 4, 5]],
        "222a": [[0, 2], [1, 3], [4, 5]],
        "321": [[1, 3, 5], [0, 2], [4]],
        "6s": [[1], [3], [0], [2], [4], [5]],
        "4-1": [[1, 4, 0, 2], [3]],
        "3-1s": [[1, 4, 0], [2], [3]],
        "2-1s": [[1, 4], [0], [2], [3]],
        "1s": [[1], [4], [0], [2], [3]],
    }

    ours = {one.name: [[ISPRS_CLASSES.index(name) for name in group] for group in one.groups] for one in ISPRS}

    assert ours == published
    assert {one.name for one in ISPRS if one.background == "clutter"} == {"4-1", "3-1s", "2-1s", "1s"}


def test_a_step_that_does_not_exist_is_refused_with_the_valid_range() -> None:
    task = Task(ISPRS_CLASSES, ISPRS[1])

    with pytest.raises(InvalidOptions, match=r"'222a' has no step 3: choose --task.step 0 to 2"):
        task.at(3)
    with pytest.raises(InvalidOptions, match="0 only"):
        Task(ISPRS_CLASSES, offline(ISPRS_CLASSES), 1)


def test_offline_is_always_known_and_leaves_the_background_out() -> None:
    protocol = find_protocol("offline", {}, ("sea", "ship"), background="sea")

    assert protocol.name == "offline"
    assert Task(("sea", "ship"), protocol).names == ("sea", "ship")


def test_an_unknown_protocol_names_the_nearest_and_all_others() -> None:
    with pytest.raises(UnknownName, match=r"no task '222'.*Did you mean '222a'\? Valid: offline, 222a, 321"):
        find_protocol("222", {one.name: one for one in ISPRS}, ISPRS_CLASSES)


@pytest.mark.parametrize(
    ("protocol", "complaint"),
    [
        (Protocol("p", (("car",), ("trees",))), "no class 'trees' in the task 'p'. Did you mean 'tree'"),
        (Protocol("p", (("car",), ("tree",)), None, (Path("a"),)), "has 2 steps and 1 folders"),
        (Protocol("p", (("car",), ())), "a step without classes"),
        (Protocol("p", (("car",), ()), places=(("x",), ())), "only a later step that names places may have none"),
        (Protocol("p", ((), ("car",)), places=(("x",), ("y",))), "a step without classes"),
        (Protocol("p", (("car",), ()), places=(("x",),)), "has 2 steps, but 1 entries in places"),
        (Protocol("p", ()), "a step without classes"),
        (Protocol("p", (("car",), ("tree", "car"))), "names car more than once"),
        (Protocol("p", (("car",), ("clutter",)), "clutter"), "names clutter more than once"),
        (Protocol("p", (("car",),), "nothing"), "no class 'nothing'"),
    ],
)
def test_protocols_that_cannot_be_learned_are_refused(protocol: Protocol, complaint: str) -> None:
    with pytest.raises((UnknownName, InvalidOptions), match=complaint):
        Task(ISPRS_CLASSES, protocol).protocol.validate(ISPRS_CLASSES)


def test_more_classes_than_a_byte_can_number_are_refused() -> None:
    classes = tuple(str(number) for number in range(256))

    with pytest.raises(InvalidOptions, match="256 classes are too many"):
        Task(classes, offline(classes))


def test_protocols_of_ones_own_come_from_yaml(tmp_path: Path) -> None:
    file = tmp_path / "tasks.yaml"
    file.write_text("mine: {steps: [[car, tree], [building]], background: clutter}\n")

    assert load_protocols(file, ISPRS_CLASSES) == {
        "mine": Protocol("mine", (("car", "tree"), ("building",)), "clutter")
    }


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("mine: {steps: [[car], [boat]]}", "no class 'boat' in the task 'mine'"),
        ("mine: {steps: [car, tree]}", "'mine' has a wrong form: write it as"),
        ("mine: {steps: [[car]], backgrund: clutter}", "'mine' has a wrong form"),
        ("mine: {steps: [[car]], background: 3}", "'mine' has a wrong form"),
        ("mine: [[car]]", "'mine' has a wrong form"),
        ("mine: {steps: [[car]], places: [x]}", "'mine' has a wrong form"),
        ("mine: {steps: [[car]], aliases: x}", "'mine' has a wrong form"),
        ("mine: {steps: [[car], []], aliases: [x]}", "a step without classes"),
        (
            "offline: {steps: [[car]]}",
            "cannot be used: the name 'offline' is taken: it always means all classes in one step",
        ),
        ("", "holds no tasks"),
        ("mine: {steps: [[car", "cannot be read as YAML"),
    ],
)
def test_files_of_protocols_with_mistakes_are_explained_in_a_sentence(
    tmp_path: Path, text: str, complaint: str
) -> None:
    file = tmp_path / "tasks.yaml"
    file.write_text(text)

    with pytest.raises((UnknownName, InvalidOptions), match=complaint) as raised:
        load_protocols(file, ISPRS_CLASSES)
    assert "\n" not in str(raised.value)


def test_a_missing_file_of_protocols_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidOptions, match=r"nowhere\.yaml"):
        load_protocols(tmp_path / "nowhere.yaml", ISPRS_CLASSES)


@given(tasks(), st.data())
def test_through_the_labels_of_another_folder_every_class_keeps_its_index(task: Task, data: st.DataObject) -> None:
    """A folder may know some of the classes, others besides, and all of them in another order."""
    own = data.draw(st.permutations(task.classes))[: data.draw(st.integers(0, len(task.classes)))]
    other = task.among([*own, "unheard_of"])

    for old in ("ignore", "use"):
        table, wanted = other.train_table(old), task.train_table(old)  # type: ignore[arg-type]
        assert [table[label] for label in range(len(own))] == [wanted[task.classes.index(name)] for name in own]
        assert table[len(own)] == BACKGROUND
    seen, wanted = other.eval_table("ignore"), task.eval_table("ignore")
    assert [seen[label] for label in range(len(own))] == [wanted[task.classes.index(name)] for name in own]
    assert seen[len(own)] == IGNORE
    assert other.labelled == tuple(task.names.index(name) for name in task.seen if name in own)
    assert (other.seen, other.names, other.head_sizes) == (task.seen, task.names, task.head_sizes)


def test_a_file_of_tasks_may_name_a_folder_per_step(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("area: {steps: [[road], [car]], folders: [north, /data/south]}\nplain: {steps: [[tree]]}\n")

    protocols = read_protocols(file)

    assert protocols["area"].folders == (tmp_path / "north", Path("/data/south"))
    assert protocols["plain"].folders == ()
    assert list(load_protocols(file, ("tree",))) == ["plain"]
