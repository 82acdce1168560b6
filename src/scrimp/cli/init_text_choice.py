"""The part of a new scrimp.toml about who answers, after errors too, in the form of `init_text`."""

CHOICE = """\
# Old turns left out when a conversation outgrows its model's window.
#[trim]
#enabled = false
# How many messages stay at most; 0: as many as fit.
#last = 0
# "auto": the model's own, as the price book knows it; or a number of tokens.
#window = "auto"
#reserve_output = 4000
# What goes first: "turns", or "tool_results".
#first = "turns"
# How much goes at once, in per cent of the window.
#step = 25
#native = false
# A cheap model that sums up what is left out; "" for none. Each summary is a paid call.
#summary_model = ""
#summary_words = 200
#summary_tokens = 300
#summary_usd_per_day = "1.00"
#summary_limit_s = 30.0

# Texts written shorter, without loss where nothing else is said.
#[compact]
#enabled = false
# JSON in tool results: "columns", "minify", "off".
#json = "columns"
#terminal = true
#repeats = true
#spaces = true
# Tools whose results are never touched.
#exact = []
# These two lose something: wordy phrases; examples beyond so many (0: all stay).
#phrases = false
#examples = 0

# Shorter answers: limits, lines that ask for less, stop sequences; cut answers are told.
#[clamp_output]
#enabled = false
# Limits that were measured (the 99th percentile by task and model) are set, not only advised.
#enforce = false
# Tokens above it, in per cent.
#headroom = 25
# A client's own limit: "keep", or "lower" it where it is larger; never raised.
#own = "keep"
# What was cut: "report", "continue" where the model can, else ask "again" without our limit.
#truncated = "report"
#continues = 2
# Does that for streams, too: they are held back until they are whole.
#hold_streams = false
#keep_alive_s = 15.0

#[clamp_output.tasks.factual_qa]
# Set where a call has no limit of its own, beside what thinking needs.
#max_tokens = 500
# "concise", "json", "json object", "code", "one paragraph", "3 sentences".
#brief = "concise"
#stop = ["\\n\\nQuestion:"]

# Tells providers' prefix caches what comes back, where reads pay for the write.
#[prefix_cache]
#enabled = false
# Who knows the fields that mark.
#providers = ["anthropic", "openai", "mistral"]
# What comes back too late for five minutes may be written for an hour (Anthropic).
#hour = true
# "24h": older models of OpenAI's may keep prompts for a day, on their disks.
#retention = ""
# Sends tools by name, so that another order of the same ones breaks no prefix.
#sort_tools = false

# Short calls of one kind in one prompt: the rules are sent once for all of them.
#[pack]
#enabled = true
# Task types that are packed unasked; without one only calls that ask for it.
#tasks = ["classification"]
# A prompt leaves with so many calls, or so long after the first of them.
#calls = 10
#wait_s = 0.5
# Longer questions and answers go by themselves.
#max_input_bytes = 4000
#max_output_tokens = 256
# A kind (tenant, model, task) that saved nothing over so many items is asked singly for a while.
#[pack.stop_loss]
#enabled = true
#items = 30
#rest_s = 600.0
# Calls that may wait go to the providers' batch APIs, at half the price.
#[defer]
#enabled = false
# Whose batch APIs are used.
#providers = ["openai", "anthropic"]
# A call that may wait so long goes into a batch; "0" is never for the flex tier (like "15m").
#least = "1h"
#flex = "0"
# A batch leaves with its oldest call after gather_s, and is looked at each poll_s.
#gather_s = 60
#poll_s = 60
# So long before its time a call is asked by itself, at the plain price.
#alone_s = 900
# A batch whose beginning nobody confirmed is begun again after this, if it is nowhere.
#lost_s = 120
# After so many batches without an answer a call is asked by itself.
#tries = 2
#most_items = 10000
#most_bytes = 67108864
# How long answers are kept.
#keep = "7d"
# A file of its own (by default in state_dir).
#path = ""

# Keys whose calls may wait, and how long.
#[defer.keys]
#nightly = "24h"

# A signed POST when a job is over; the secret stands in the variable.
#[defer.webhook]
#url = ""
#url_env = "SCRIMP_JOBS_WEBHOOK_URL"
#secret_env = "SCRIMP_WEBHOOK_SECRET"
# Addresses that a call may name instead (x-scrimp-webhook); with "/" at the end, all below it.
#allow = []
#answers = false
#timeout_s = 10.0
#give_up = "3d"

# The cheapest model that will do, for calls to scrimp/auto and scrimp/cheap.
#[route]
#enabled = true
#models = ["openai/gpt-4o-mini", "claude-haiku-4-5", "house-model"]
# What quality is measured against; without one the last of the models.
#reference = "house-model"
# "all": calls that name a model of their own, too, down from that one.
#calls = "auto"
# "rules", "learned", or "certified": only as far as max_loss is proven.
#depth = "certified"
# One dial of three: max_loss, or floor = 0.8, or usd_per_call = "0.002".
#max_loss = 0.02
#confidence = 0.95
# The share of calls that are answered twice and compared, and what that may cost a day.
#explore = 0.02
#shadows_usd_per_day = "1.00"
# Who compares; never one of the models.
#judge_model = ""
# How probably it calls a good answer good, and a bad one bad: at their lower confidence limits.
#judge_sensitivity = 1.0
#judge_specificity = 1.0
# Questions less familiar than this go to the reference.
#novelty = 0.9
# Counts the prompt cache that a conversation would lose at another model.
#stay = true
# A file of its own for what is learned (by default in state_dir).
#path = ""

# What a model can, where the price book does not say.
#[route.facts."house-model"]
#context_tokens = 128000
#max_output_tokens = 16384
#images = true
#tools = true
#structured = true
# Output tokens per second, the chance of a good answer before anything is known, where it runs.
#speed = 90.0
#quality = 0.8
#region = "eu"

# Which models stand on which rung, for depth "rules"; without any, they stand by their prices.
#[route.rungs]
#simple = ["openai/gpt-4o-mini"]
#medium = ["claude-haiku-4-5"]
#complex = ["house-model"]
#expert = ["house-model"]

#[route.rungs.tasks]
#classification = "simple"

# Words that put a question on a rung, in place of the usual ones.
#[route.rungs.words]
#expert = ["prove", "derive"]

# Rules of your own; the first that fits says one of model, rung, off.
#[[route.rules]]
#task = "code_generation"
#key = "alice"
#team = "platform"
#tag = "nightly"
#asked = "scrimp/auto"
#words = ["refund"]
#min_tokens = 2000
#max_tokens = 100000
#tools = true
#rung = "complex"

#[[route.rules]]
#words = ["legal"]
#model = "house-model"

#[[route.rules]]
#tag = "as-asked"
#off = true

# Cheap first, then checks; what does not pass goes to the model that was asked for.
#[cascade]
#enabled = true
#models = ["openai/gpt-4o-mini"]
#checks = ["min_length=40", "json"]
# The second model of an agreement is asked beside the first.
#parallel = false
# Streams are left alone; true holds them back until a draft is accepted.
#hold_streams = false
#keep_alive_s = 15.0
# How long a check of a program's own may take.
#limit_s = 5.0

# The least learned score of a draft that is served: accept = 0.9 in the table above; or here, as
# far down as this mean loss of quality is proven.
#[cascade.certificate]
#max_loss = 0.02
#confidence = 0.95
# The least share of accepted drafts that is compared, and what comparing may cost a day.
#explore = 0.02
#usd_per_day = "1.00"
# Who compares; never one of the models.
#judge_model = ""
#judge_sensitivity = 1.0
#judge_specificity = 1.0
#callers_pay = false

# Off for a while where it costs more than going direct.
#[cascade.stop_loss]
#enabled = true
#margin = 0.05
#least_calls = 30
#rest_s = 3600.0

#[cascade.tasks.extraction]
#enabled = true
#models = ["openai/gpt-4o-mini"]
#checks = ["json"]

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
