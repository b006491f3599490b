"""What a device file may hold: keys of figures and texts, and the words that some texts are."""

BASES = ("measured", "datasheet", "derived", "assumed")  # strongest first

KINDS = ("mcu", "mcu+accelerator", "npu", "sbc")

CORES = (
    *("cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55"),
    *("cortex-m85", "rv32imc", "xtensa-lx106", "xtensa-lx6", "xtensa-lx7", "rxv2", "gap9"),
    *("cortex-a53", "cortex-a72", "cortex-a76", "x86-64", "aarch64"),
)

# What may be said about a device's energy.
ENERGY_ANSWERS = (
    "interval",
    "interval, no measurement behind it",
    "interval after local calibration",
    "range only",
    "refuse: power unknown",
    "none: context only",
)

# What `power.active_mw` was obtained from: a network measured with the runtime in use, or with
# other runtimes; the current of the CoreMark benchmark; any other current.
ACTIVE_FROM = ("this runtime", "other runtimes", "coremark", "current")

FIGURES: dict[str, str] = {
    "clock.mhz": "highest clock, at which power and cycles hold",
    "clock.lowest_mhz": "lowest clock at which power.static_mw holds",
    "memory.sram_kib": "RAM on the chip; low is what one array can use",
    "memory.flash_kib": "flash for code and constants",
    "memory.dram_mib": "RAM of a board; low is its smallest version",
    "memory.l1d_kib": "first-level data cache of one core",
    "memory.l2_kib": "second-level cache",
    "memory.l3_kib": "third-level cache",
    "memory.last_level_kib": "cache nearest to the RAM",
    "memory.dram_read_mb_per_s": "RAM bandwidth, one thread reading",
    "memory.l2_read_mb_per_s": "weights that miss the first-level cache, beside computing",
    "supply.model_v": "supply at which the power figures hold",
    "power.active_mw": "while computing a matrix-vector network",
    "power.static_mw": "what of power.active_mw does not fall with the clock",
    "power.headline_ua_per_mhz": "current per clock on the data sheet's front page",
    "power.headline_v": "supply at which the headline holds",
    "power.idle_clocks_on_mw": "waiting with the clocks left on",
    "power.idle_w": "whole board, idle",
    "power.one_core_w": "whole board, one core computing in its cache",
    "power.one_core_streaming_w": "whole board, one core reading RAM",
    "power.all_cores_w": "whole board, all cores computing",
    "sleep.ua": "current in the sleep mode",
    "sleep.v": "supply at which the sleep current holds",
    "speed.cycles_per_mac_int8": "published runtimes on this core, matrix-vector network",
    "speed.cycles_per_mac_float32": "the same in float32",
    "speed.half_width_percent": "error of the cycles of one known kernel on this core",
    "speed.flash_wait_fraction_edgelstm": "added by flash wait states, edgelstm's kernel",
    "speed.flash_wait_fraction_cmsis_nn": "added by flash wait states, CMSIS-NN",
    "speed.call_us_step": "one step called from Python, beside its computing",
    "speed.call_us_step_raw": "one step of raw integers called from Python, the same",
    "speed.call_us_sequence": "a whole sequence called from Python, the same",
    "speed.call_us_layer": "each layer behind the first, once a call",
    "speed.call_us_layer_composed": "the same, of composed integers",
    "speed.macs_per_cycle_int8": "of one core with SIMD",
    "speed.macs_per_cycle_float32": "of one core with SIMD",
    "speed.macs_per_us_float32": "of one core, measured on the machine",
    "speed.macs_per_us_hybrid": "the same",
    "speed.macs_per_us_int8": "the same",
    "speed.macs_per_us_int8_composed": "the same",
    "speed.activations_per_us_float32": "sigmoids and tanhs of one core, measured on the machine",
    "speed.activations_per_us_hybrid": "the same",
    "speed.activations_per_us_int8": "the same",
    "speed.activations_per_us_int8_composed": "the same",
    "speed.units_at_once_float32": "whose lanes are computed, also where a layer has fewer",
    "speed.units_at_once_hybrid": "the same",
    "speed.units_at_once_int8": "the same",
    "speed.units_at_once_int8_composed": "the same",
    "speed.time_half_width_percent": "error of times that these rates give, on the machine",
}

TEXTS: dict[str, str] = {
    "name": "as in `--device`",
    "kind": f"one of {', '.join(KINDS)}",
    "core": "chooses kernels and the law of cycles",
    "chip": "as its maker writes it",
    "board": "on which the figures were taken",
    "instruction_set": "architecture and extensions",
    "source": "where chip, core and instruction set stand",
    "energy_answer": "what may be said about the energy",
    "note": "what else to know",
    "memory.caches": "in words",
    "memory.dram": "in words",
    "supply.regulator": "with which the power figures hold",
    "power.active_from": f"one of {', '.join(ACTIVE_FROM)}",
    "sleep.mode": "to which the sleep current belongs",
    "sleep.wake": "time to wake up, in words",
}
