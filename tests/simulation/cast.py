"""Who is there: the API server, the programs, the nodes. Programs are started and found here, and buried."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.fakes.apiserver import FakeApiServer
from tests.fakes.processes import end
from tests.simulation.actors import Actors
from tests.simulation.journal import Journal
from tests.simulation.kubectl import Kubectl
from tests.simulation.kubelets import NODES, Kubelets
from tests.simulation.programs import ApiProgram, OperatorProgram, PodProgram, Program

if TYPE_CHECKING:
    from tests.simulation.kubectl import Object
    from tests.simulation.script import Script

RESTART_SECONDS = 1.0
"""How soon a program that died is there again, as its Deployment has it."""


class Cast:
    def __init__(self, script: Script) -> None:
        self.script = script
        self.loop = asyncio.get_running_loop()
        self.server = FakeApiServer(seed=script.seed)
        self.journal = Journal(self.loop.time)
        self.server.listeners.append(self.journal.record)
        self.kubectl = Kubectl(self.server)
        deeds = self.journal.deeds
        self.actors = Actors(lambda uid: uid in deeds.lost_pods or uid in deeds.told_pods)
        self.operators: list[OperatorProgram] = []
        self.apis: list[ApiProgram] = []
        self.kubelets = Kubelets(self.kubectl, self._pod, self.loop.time, self.server.clock.wall, self._pod_killed)
        self.programs: list[Program] = []
        self._dead: set[Program] = set()
        self._numbers: dict[str, int] = {}

    def begin(self, operators: int, apis: int) -> None:
        for node in NODES:
            self.kubectl.create_node(node)
        for _ in range(operators):
            self.start_operator()
        for _ in range(apis):
            self.start_api()

    def start_operator(self) -> None:
        program = OperatorProgram(self.server, self.script, self._name("operator"), self.journal.note)
        self.programs.append(program)
        self.operators.append(program)
        program.begin()

    def start_api(self) -> None:
        program = ApiProgram(self.server, self.script, self._name("api"), self.journal.note)
        self.programs.append(program)
        self.apis.append(program)
        program.begin()

    def kill(self, program: Program, steps: int) -> None:
        """Between two of its awaits; one that has nothing to do is killed in a second, where it waits."""
        program.kill_after(steps, lambda: self._died(program))
        self.loop.call_later(1.0, self._kill_idle, program)

    def terminate(self, program: Program) -> None:
        program.terminate()
        self._died(program)

    def leader(self) -> OperatorProgram:
        return next((each for each in self.operators if each.operator.leading), self.operators[0])

    def failures(self) -> list[str]:
        found = [(program.name, program.error()) for program in self.programs if program.alive]
        return [f"program {name} failed: {error!r}" for name, error in found if error is not None]

    async def end(self) -> None:
        await end([program.process for program in self.programs])

    def _kill_idle(self, program: Program) -> None:
        if program.alive:
            program.kill()
            self._died(program)

    def _died(self, program: Program) -> None:
        """Once for each: to be killed and told to end does not make two dead of one."""
        if program in self._dead:
            return
        self._dead.add(program)
        self.journal.note(f"{program.name} is gone")
        if isinstance(program, OperatorProgram):
            self.operators.remove(program)
            self.loop.call_later(RESTART_SECONDS, self.start_operator)
        elif isinstance(program, ApiProgram):
            self.apis.remove(program)
            self.loop.call_later(RESTART_SECONDS, self.start_api)
        elif isinstance(program, PodProgram):
            self._pod_killed(program)

    def _pod(self, body: Object) -> PodProgram:
        program = PodProgram(self.server, self.script, self._name("pod"), self.journal.note)
        self.programs.append(program)
        program.begin(body, self.actors)
        return program

    def _pod_killed(self, program: PodProgram) -> None:
        self.journal.deeds.lost_pods.add(program.uid)
        self.actors.lose(program)

    def _name(self, role: str) -> str:
        self._numbers[role] = self._numbers.get(role, 0) + 1
        return f"{role}-{self._numbers[role]}"
