"""What the network sees of a clip, drawn by the recipe that it is trained by."""

import pytest
from training_settings import TINY

from sample_data import tone
from train_offline.recipes import BEST, SILVER, Recipe
from train_offline.sample_pictures import SampleClip, augmented_pictures


@pytest.mark.parametrize(
    ("recipe", "steps"),
    [
        (SILVER, ["random crop", "zoomed and warped", "averaged with the next"]),
        (
            BEST,
            ["random crop", "louder or softer", "zoomed and warped", "averaged with the next", "followed by the next"],
        ),
    ],
    ids=lambda value: value.name if isinstance(value, Recipe) else None,
)
def test_every_step_of_the_recipe_is_drawn_in_its_order_and_no_other(recipe: Recipe, steps: list[str]) -> None:
    clips = [SampleClip(f"{hz}.wav", (f"{hz} Hz",), tone(1.0, hz)) for hz in (220, 880)]
    drawn = augmented_pictures(clips, recipe, TINY)
    every_step = {"louder or softer", "followed by the next", "louder of it and the next", "masked", *steps}
    places = sorted((drawn.index(step), step) for step in every_step if step in drawn)
    assert [step for _, step in places] == steps
