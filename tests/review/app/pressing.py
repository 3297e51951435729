"""A screen of Textual's that runs without a terminal, and what a test does with it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from textual.app import App
from textual.pilot import Pilot

_PATIENCE: Final = 20.0  # seconds; a busy machine is no failure


@dataclass
class Pressed:
    """A running screen."""

    app: App[None]
    pilot: Pilot[None]

    @property
    def text(self) -> str:
        """What stands on the terminal now, without colours."""
        return "\n".join(strip.text for strip in self.app.screen._compositor.render_strips())

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def until(self, true: Callable[[], object]) -> None:
        """Wait until something is so."""
        async with asyncio.timeout(_PATIENCE):
            while not true():
                await self.pilot.pause(0.01)

    async def sees(self, *texts: str) -> None:
        """Wait until these stand on the terminal."""
        try:
            await self.until(lambda: all(text in self.text for text in texts))
        except TimeoutError:
            raise AssertionError(f"none of this shows {texts}:\n{self.text}") from None
