# /// script
# requires-python = ">=3.11"
# dependencies = ["actorcloud"]
# ///
"""How does an actor behave by its state? A door with a code, which locks itself after a while.

Who comes too early waits until the state has changed; two wrong codes make it deaf for a moment.

Prints:
    1234: welcome
    the visitor who came first: come in
    after a while: it is locked
    0000: wrong
    2222: wrong
    1234: too late
    after a while: it is locked
"""

from __future__ import annotations

from actorcloud.actor import Enter, StateMachine, StateTimeout


class Door(StateMachine):
    """Has a method for each state, which handles all that happens in it."""

    initial = "locked"
    state_enter = True

    def __init__(self, code: str) -> None:
        self.code = code
        self.wrong = 0

    def locked(self, event: object) -> str | None:
        """Wait for the code."""
        match event:
            case Enter():
                self.wrong = 0
            case "is it locked?":
                return "it is locked"
            case "visitor":
                self.postpone()  # handled again in another state; who asked waits so long
            case self.code:
                self.goto("opened")
                return "welcome"
            case _:
                self.wrong += 1
                if self.wrong == 2:
                    self.goto("deaf")
                return "wrong"
        return None

    def opened(self, event: object) -> str | None:
        """Let people in for a while."""
        return "come in" if event == "visitor" else self.wait_for_lock(event)

    def deaf(self, event: object) -> str | None:
        """Listen to nobody, for a while."""
        return "too late" if event == self.code else self.wait_for_lock(event)

    def wait_for_lock(self, event: object) -> None:
        """Lock in the end; a method that is no state is only called."""
        match event:
            case Enter():
                self.state_timeout(0.1)
            case StateTimeout():
                self.goto("locked")
            case "is it locked?":
                self.postpone()


door = Door.start("1234")
visitor = door.ask("visitor", block=False)
print("1234:", door.ask("1234"))
print("the visitor who came first:", visitor.get())
print("after a while:", door.ask("is it locked?"))
for code in ("0000", "2222", "1234"):
    print(f"{code}:", door.ask(code))
print("after a while:", door.ask("is it locked?"))
door.stop()
