"""What runs in the processes of `prepare`. Kept apart because these import little and so start soon."""

from multiprocessing.queues import SimpleQueue

from saticl.cutting.scene import Recipe, cut_scene
from saticl.datasets.base import Scene

News = tuple[str, int, float]
"""Arguments of a OnRows."""

_news: "list[SimpleQueue[News]]" = []
"""The queue to the parent: a queue can only be handed over when a process starts."""


def start_worker(news: "SimpleQueue[News]") -> None:
    """Called once per process."""
    _news.append(news)


def cut_in_worker(scene: Scene, recipe: Recipe) -> None:
    """Cut a scene and tell the parent about every row of tiles."""
    cut_scene(scene, recipe, lambda name, tiles, share: _news[0].put((name, tiles, share)))
