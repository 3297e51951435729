"""Promise 3 by the FUSE view, where the disk is full."""

from tests.machine import Machine
from tests.smalldisk import with_little_room


def test_a_file_whose_values_find_no_room_does_not_take_the_place_of_a_dotenv(machine: Machine) -> None:
    """What is masked only where it stands is restored when a rename puts it there, and the old file is gone then."""
    machine.show_by("fuse")
    values = "".join(f"A{number}={'y' * 3000}\n" for number in range(20))
    (machine.home / "values").write_text(values)
    script = (
        "sed s/A1=/B1=/ .env > new; head -c 1000000 /dev/zero > fill; mv new .env; echo moved $?; rm fill; mv new .env"
    )
    (machine.home / "script").write_text(script)
    outer = f'cd {machine.workspace} && cp ~/values .env && safe-agent exec -- sh -c "$(cat ~/script)" && cat .env'
    done = with_little_room(machine, machine.workspace, "sh", "-c", outer)
    assert "moved 1" in done.stdout
    assert "mv: cannot move 'new' to '.env': No space left on device" in done.stderr
    assert done.stdout.endswith(values.replace("A1=", "B1=")), "and once there is room, it does"
