"""The part of a new scrimp.toml about who answers, after errors too, in the form of `init_text`."""

CHOICE = """\
# Tries the same provider again after an error that may pass.
#[retry]
# The first one counts; 1 never tries again.
#attempts = 3
# Waits are drawn between 0 and base_s doubled each time, up to max_wait_s.
#base_s = 0.25
#max_wait_s = 8.0
# A provider that asks for more patience than this gets none.
#max_retry_after_s = 20.0

# Another target after an error that retries did not mend.
#[fallback]
#enabled = true
# Where calls go whose model has no line in [fallback.models].
#default = []
# Further statuses that lead on, such as 401 of a key that has run out.
#also_on = []
# A prompt that is too long for its model goes to one of the list with a larger window.
#larger_window = true
# What may cost more is asked as far as budgets bear it; "never": only what costs no more.
#dearer = "within_budget"
#max_times_dearer = 10.0
# How long a call may take in all, and how much of that another try needs.
#deadline_ms = 60000
#least_ms = 2000
# The longest wait before a retry while another target stands ready.
#retry_wait_s = 1.0

# By the model that fails: who is asked instead, in this order.
#[fallback.models]
#"house-model" = ["openai/gpt-4o-mini", "claude-haiku-4-5"]

# When an upstream is left alone, and when it is trusted again.
#[fallback.circuit]
# It opens when this share of at least so many attempts failed within the window.
#failure_rate = 0.5
#least_calls = 10
#window_s = 60.0
# Open for so long, each time that much longer, up to a limit.
#open_s = 5.0
#growth = 2.0
#longest_open_s = 300.0
# Then one call at a time tries it; so many good ones in a row close it.
#probes = 3
#probe_s = 60.0

"""
