"""Sources of power on recorded trees, a script in the place of the firmware's tool, and tables."""

import pathlib
import re
from typing import Any

import pytest

from edgelstm.errors import ModelError
from edgelstm.measurement.power import open_source
from edgelstm.measurement.power.battery import Battery
from edgelstm.measurement.power.csv_file import samples
from edgelstm.measurement.power.hwmon import Hwmon
from edgelstm.measurement.power.pmic import Pmic, rails
from edgelstm.measurement.power.rapl import Rapl
from tests.measurement.test_machine import script, tree


def rapl(folder: pathlib.Path, **zones: tuple[str, int]) -> pathlib.Path:
    """Zones by name in the tree, each a domain and its counter."""
    files: dict[str, str] = {}
    for zone, (name, counted) in zones.items():
        place = f"intel-rapl:{zone.removeprefix('z').replace('_', ':')}"
        files |= {
            f"{place}/name": name,
            f"{place}/energy_uj": str(counted),
            f"{place}/max_energy_range_uj": "1000000000",
        }
    return tree(folder, files)


def test_counters_of_two_packages_are_added_and_wrap(tmp_path: pathlib.Path) -> None:
    names = {"z0": "package-0", "z1": "package-1", "z0_0": "core", "z0_1": "dram", "z2": "psys"}
    before = {z: (name, 999_000_000) for z, name in names.items()}
    source = Rapl(rapl(tmp_path, **before))
    assert source.obstacle() is None and source.read(10.0) is None
    after = {"z0": 4_000_000, "z1": 999_500_000, "z0_0": 1_000_000, "z0_1": 999_000_000}
    rapl(tmp_path, **{z: (names[z], n) for z, n in after.items()})
    got = source.read(10.5)
    # 5 J beyond the wrap and 0.5 J, 2 J beyond it, nothing; in half a second.
    assert got and got.watts == pytest.approx({"all": 11.0, "core": 4.0, "dram": 0.0})


def test_counters_that_are_roots_are_named_with_the_line_that_opens_them(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = rapl(tmp_path, z0=("package-0", 1))

    def refused(path: Any) -> float:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("edgelstm.measurement.power.rapl.number", refused)
    told = str(Rapl(root).obstacle())
    assert "CVE-2020-8694" in told and "sudo chmod a+r" in told
    assert "no energy counters" in str(Rapl(tmp_path / "absent").obstacle())


def test_a_sensor_gives_microwatts_or_a_product(tmp_path: pathlib.Path) -> None:
    root = tree(
        tmp_path / "a",
        {"hwmon0/name": "cpu_thermal", "hwmon1/name": "ina226", "hwmon1/power1_input": "2500000"},
    )
    got = Hwmon(root).read(1.0)
    assert got and got.watts == {"all": 2.5}
    root = tree(
        tmp_path / "b",
        {
            "hwmon1/name": "ina219\n",
            "hwmon1/curr1_input": "500",
            "hwmon1/in1_input": "5000",
            "hwmon1/shunt_resistor": "100000",
        },
    )
    sensor = Hwmon(root)
    got = sensor.read(1.0)
    assert got and got.watts == {"all": 2.5} and "100000 uOhm" in sensor.name
    assert "no ina219" in str(Hwmon(tmp_path / "absent").obstacle())
    (root / "hwmon1/curr1_input").unlink()
    assert "cannot be read" in str(Hwmon(root).obstacle())


def test_a_battery_counts_while_it_discharges(tmp_path: pathlib.Path) -> None:
    files = {"BAT0/status": "Discharging\n", "BAT0/power_now": "9500000"}
    got = Battery(tree(tmp_path / "a", files)).read(1.0)
    assert got and got.watts == {"all": 9.5}
    files = {"BAT1/status": "Discharging", "BAT1/current_now": "-1000000"}
    files["BAT1/voltage_now"] = "12000000"
    got = Battery(tree(tmp_path / "b", files)).read(1.0)
    assert got and got.watts == {"all": 12.0}
    charging = tree(tmp_path / "c", {"BAT0/status": "Charging", "BAT0/power_now": "1"})
    assert "unplug the charger" in str(Battery(charging).obstacle())
    assert "no battery" in str(Battery(tmp_path / "absent").obstacle())


FORMS = {
    "volt": "VDD_CORE_A current(7)=2.00A\n VDD_CORE_V volt(15)=0.75V",
    "voltage": "VDD_CORE_A current(7)=2.00A\nVDD_CORE_V voltage(15)=0.75V",
    "bare": "VDD_CORE_A current=2.00A\nVDD_CORE_V volt=0.75V",
    "barer": "VDD_CORE_A=2.00A\nVDD_CORE_V=0.75V",
}
OTHERS = (
    "DDR_VDD2_A current(1)=0.5A\nDDR_VDD2_V volt(9)=1.0V\nEXT5V_V volt(24)=5.1V\nX_A current(3)=1A"
)


@pytest.mark.parametrize("form", FORMS)
def test_rails_have_a_current_and_a_voltage_in_every_form_of_text(
    form: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"{FORMS[form]}\n{OTHERS}"
    assert rails(text) == {"VDD_CORE": 1.5, "DDR_VDD2": 0.5}
    script(tmp_path, monkeypatch, f"cat <<'END'\n{text}\nEND")
    assert Pmic().obstacle() is None
    got = Pmic().read(1.0)
    board = 1.1451 * 2.0 + 0.5879
    assert got and got.watts == pytest.approx(
        {"all": board, "board": 2.0, "core": 1.5, "dram": 0.5}
    )
    assert got.watts["core"] + got.watts["dram"] <= got.watts["board"]


def test_the_boards_fit_gives_its_own_test_vector() -> None:
    assert pytest.approx(12.955, abs=5e-4) == 1.1451 * 10.800 + 0.5879


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sleep 9", "gave no answer"),
        ("echo 'error=1 error_msg=\"Command not registered\"'", "no rail.*not registered"),
        ("echo VDD_CORE_V volt(15)=0.75V", "no rail"),
    ],
)
def test_a_firmware_without_rails_is_told(
    text: str, told: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgelstm.measurement.power.pmic.TIMEOUT_S", 0.2)
    script(tmp_path, monkeypatch, text)
    assert re.search(told, str(Pmic().obstacle()))


@pytest.mark.parametrize(
    "text",
    [
        "time_s,power_w\n1e9,1.5\n1000000001,2.5",
        "time_ms power_mw\n1e12 1500\n1000000001000 2500",
        "time_us,current_ma,voltage_v\n1e15,300,5\n1000000001000000,500,5",
        "time_s,current_ua,voltage_mv\n1e9,300000,5000\n\n1000000001,500000,5000\n",
    ],
)
def test_tables_of_loggers_are_read_by_their_units(text: str) -> None:
    got = samples(text, "x.csv")
    assert [s.time_s for s in got] == pytest.approx([1e9, 1e9 + 1])
    assert [s.watts["all"] for s in got] == pytest.approx([1.5, 2.5])
    assert got[0].trigger is None


def test_a_trigger_makes_times_of_the_loggers_own_useful() -> None:
    got = samples("time_s,power_w,trigger\n0,1,0\n1,2,1", "x.csv")
    assert [s.trigger for s in got] == [False, True]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "holds no samples"),
        ("time_s,power_w\n", "holds no samples"),
        ("time_s,power_w\n1,2\n3,4", "add one of the two"),
        ("time_s,power_kw\n1e9,2", "'power_kw' has no unit that is known: power_w"),
        ("time_s,current_a\n1e9,2", "time_s, current_a and voltage_v are needed"),
        ("power_w\n2", "are needed"),
        ("time_s,power_w\n2e9,1\n1e9,1", "time goes backwards in line 3; sort"),
        ("time_s,power_w\n1e9,x", "line 2 is no row of numbers"),
        ("time_s,power_w\n1e9", "line 2 is no row of numbers"),
    ],
)
def test_tables_that_leave_something_open_are_refused(text: str, told: str) -> None:
    with pytest.raises(ModelError, match=told):
        samples(text, "x.csv")


def test_sources_that_are_none_or_lack_something_are_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(ModelError, match="known: auto, joulescope, pmic, .*, battery, csv:FILE"):
        open_source("lpm01a")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ModelError, match="'pmic': vcgencmd is not there"):
        open_source("pmic")
    with pytest.raises(ModelError, match="source csv:absent: absent does not exist; start the log"):
        open_source("csv:absent")
    log = tmp_path / "x.csv"
    log.touch()
    source, tried = open_source(f"csv:{log}")
    assert source and source.name == f"csv:{log}" and tried[0].reason is None
