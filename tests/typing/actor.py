"""How the actors' types are seen by users; checked by mypy, never run.

Each `type: ignore` is a mistake that must be found: mypy reports one that it does not need.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, assert_never, assert_type

import msgspec

from actorcloud.actor import (
    Actor,
    ActorProxy,
    ActorRef,
    AsyncActor,
    ChildCount,
    ChildInfo,
    ChildSpec,
    Future,
    MonitorRef,
    Request,
    Supervisor,
    SupervisorRef,
    TypedProxy,
    get_all,
    named,
    process,
    proxy_field,
    proxy_method,
    traversable,
)


@dataclass(frozen=True)
class Deposit:
    amount: int


class Balance(msgspec.Struct, Request[int], frozen=True):
    currency: str = "EUR"


class Owner(Request[str]):
    pass


class Audit(Request[bool]):
    pass


class Account(Actor):
    currency = "EUR"

    def __init__(self, owner: str, balance: int = 0) -> None:
        self.owner = owner
        self.balance = balance

    def on_receive(self, message: Deposit | Balance | Owner) -> Any:
        match message:
            case Deposit(amount):
                self.balance += amount
            case Balance():
                return self.balance
            case Owner():
                return self.owner
            case _:
                assert_never(message)
        return None

    def transfer(self, amount: int, *, to: str) -> bool:
        return bool(to) and amount <= self.balance

    def me(self) -> None:
        assert_type(self.actor_ref, ActorRef[Account])


class Forgetful(Actor):
    def on_receive(self, message: Deposit | Balance) -> None:
        match message:
            case Deposit():
                pass
            case _:
                assert_never(message)  # type: ignore[arg-type]  # the case of Balance is missing


class AccountProxy(TypedProxy[Account]):
    currency = proxy_field(Account.currency)
    transfer = proxy_method(Account.transfer)


def start() -> None:
    assert_type(Account.start("Ada"), ActorRef[Account])
    assert_type(Account.options(name="ada").start("Ada", balance=1), ActorRef[Account])
    assert_type(Account.start_link("Ada"), ActorRef[Account])
    assert_type(Account.start_monitor("Ada"), tuple[ActorRef[Account], MonitorRef])
    assert_type(Supervisor.start([Account.child_spec("Ada")]), SupervisorRef)

    Account.start()  # type: ignore[call-arg]
    Account.start("Ada", "rich")  # type: ignore[arg-type]
    Account.start_link("Ada", colour=1)  # type: ignore[call-arg]
    Account.options(name="ada").start(5)  # type: ignore[arg-type]
    Account.options(nam="ada")  # type: ignore[call-arg]


def tell(account: ActorRef[Account], anyone: ActorRef[Any]) -> None:
    account.tell(Deposit(1))
    account.tell(Balance())
    anyone.tell(object())
    named("ada").tell(Deposit(1))

    account.tell("all of it")  # type: ignore[arg-type]
    account.tell(Audit())  # type: ignore[arg-type]


def ask(account: ActorRef[Account], anyone: ActorRef[Any], *, block: bool) -> None:
    assert_type(account.ask(Balance()), int)
    assert_type(account.ask(Balance(), timeout=None), int)
    assert_type(account.ask(Owner(), block=True), str)
    assert_type(account.ask(Owner(), block=False), Future[str])
    assert_type(account.ask(Owner(), block=False).get(timeout=1.0), str)
    assert_type(account.ask(Deposit(1)), Any)
    assert_type(account.ask(Deposit(1), block=False), Future[Any])
    assert_type(account.ask(Balance(), block=block), Any)
    assert_type(anyone.ask(Balance()), int)
    assert_type(anyone.ask("x"), Any)
    assert_type(named("ada").ask("x"), Any)
    assert_type(account.stop(), bool)
    assert_type(account.stop(block=False), Future[bool])

    account.ask(Audit())  # type: ignore[arg-type]
    account.ask("how much?")  # type: ignore[call-overload]
    account.ask(Balance(), 1.0)  # type: ignore[call-overload]
    wrong: str = account.ask(Balance())  # type: ignore[assignment]
    print(wrong)


async def wait(account: ActorRef[Account]) -> None:
    future = account.ask(Balance(), block=False)
    assert_type(await future, int)
    assert_type(future.map(str), Future[str])
    assert_type(future.map(str).get(), str)
    assert_type(get_all([future, future]), list[int])
    names = account.ask(Owner(), block=False).map(list)
    assert_type(names.reduce(lambda total, letter: total + len(letter), 0), Future[int])
    assert_type(names.filter(str.isupper), Future[list[str]])
    assert_type(future.join(names), Future[list[Any]])

    future.map(len)  # type: ignore[arg-type]


def proxies(account: ActorRef[Account]) -> None:
    assert_type(account.proxy(), ActorProxy[Account])
    assert_type(account.proxy().anything, Any)

    proxy = account.proxy(AccountProxy)
    assert_type(proxy, AccountProxy)
    assert_type(proxy.actor_ref, ActorRef[Account])
    assert_type(proxy.currency, Future[str])
    assert_type(proxy.currency.get(), str)
    assert_type(proxy.transfer(1, to="Bob"), Future[bool])
    proxy.transfer.defer(1, to="Bob")
    proxy.currency = "USD"
    assert_type(traversable(proxy), AccountProxy)

    print(proxy.curency)  # type: ignore[attr-defined]
    proxy.currency = 5  # type: ignore[assignment]
    proxy.transfer("1", to="Bob")  # type: ignore[arg-type]
    proxy.transfer.defer(1)  # type: ignore[call-arg]


def supervise(family: SupervisorRef) -> None:
    assert_type(family.child("one"), ActorRef[Any])
    assert_type(family.which_children(), list[ChildInfo])
    assert_type(family.count_children(), ChildCount)
    assert_type(family.child_spec("one"), ChildSpec)
    assert_type(family.terminate_child("one"), None)

    family.child()  # type: ignore[call-arg]


class Weather(AsyncActor):
    async def on_receive(self, message: Balance) -> int:
        return 1

    async def look(self, town: str) -> float:
        return float(len(town))


class WeatherProxy(TypedProxy[Weather]):
    look = proxy_method(Weather.look)


def use_coroutines() -> None:
    weather = Weather.start()
    assert_type(weather, ActorRef[Weather])
    assert_type(weather.ask(Balance()), int)
    assert_type(weather.proxy(WeatherProxy).look("Bonn"), Future[float])

    weather.tell("rain")  # type: ignore[arg-type]


def hand_over(account: ActorRef[Account]) -> None:
    anyone: ActorRef[Actor] = account
    anyone.tell("all of it")
    other: ActorRef[Forgetful] = account  # type: ignore[assignment]
    print(other)


def receive() -> None:
    with process(trap_exit=True) as me:
        assert_type(me.receive(Deposit, timeout=1.0), Deposit)
        assert_type(me.receive((Deposit, Balance)), Any)
        assert_type(me.receive(lambda message: message == 1), Any)
        assert_type(me.receive(), Any)
        assert_type(me.monitor("bank"), MonitorRef)
        me.receive(5)  # type: ignore[call-overload]
