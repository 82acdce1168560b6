"""The text of a new scrimp.toml: `# ` begins prose, `#` and no space a setting at its default."""

from __future__ import annotations

from scrimp.cli.init_text_choice import CHOICE

TEMPLATE = (
    """\
# Settings of Scrimp. Lines that begin with "#" and no space are settings at their defaults:
# take the "#" away to change one. `scrimp doctor` says whether the file can be used.

# Folder of the ledger and other state; empty: the user's own ($SCRIMP_STATE also names one).
#state_dir = ""

#[server]
# Other addresses than loopback need keys (below), so that nobody else spends your money.
#host = "127.0.0.1"
#port = 4141
# Processes, each with one event loop. With 2 or more SIGHUP reads this file anew.
#workers = 1
# Names by which other machines call this one ("*": any). Loopback names are always served.
#allowed_hosts = []
# Larger requests are refused before they are read.
#max_body_bytes = 33554432
# Seconds until a request's head must be whole, and that its body may pause.
#head_timeout_s = 30.0
#body_timeout_s = 60.0
# A client that takes nothing for this long counts as gone.
#write_timeout_s = 60.0
# How long calls in the air may go on after SIGTERM.
#drain_s = 30.0

#[auth]
# "keys": clients need one of [[keys]] once there is one. "passthrough": clients bring their own
# provider key, which is sent on and never stored.
#mode = "keys"

# Providers. Without any table here, each whose key is in the environment is used as it is. In the
# table of a known one (openai, anthropic, google, …) only what differs has to stand.
# Found when this file was written: <FOUND>.
# Keys never stand in this file: key_env names the variable that holds one.

#[providers.openai]
# Ends where /chat/completions begins.
#base_url = "https://api.openai.com/v1"
# Which APIs it speaks: openai.chat (embeddings come with it), openai.responses,
# openai.embeddings, anthropic.messages.
#dialects = ["openai.chat", "openai.responses"]
#key_env = "OPENAI_API_KEY"
# The name of this provider in the price book, when it has another one here.
#prices_as = ""
# Where its endpoint keeps the work ("us", "eu", ...), when that has a price of its own.
#residency = ""
# Whether a cost that it tells in its usage is believed: true, false, or "auto" (OpenRouter,
# Perplexity and xAI are known to tell one).
#trust_cost = "auto"
# Send it every model that nobody else serves, known or not.
#any_model = false
# Ask streams for their usage, without which the cost can only be estimated.
#ask_usage = true
# Headers that go with every request, such as an organisation.
#headers = {}

#[providers.openai.timeouts]
# Seconds to connect, to the first byte, between two bytes, and in all.
#connect_s = 10.0
#first_byte_s = 300.0
#idle_s = 120.0
#total_s = 1800.0

#[providers.anthropic]
# Ends where /messages begins.
#base_url = "https://api.anthropic.com/v1"
#dialects = ["anthropic.messages"]
#key_env = "ANTHROPIC_API_KEY"

# A server of your own that speaks OpenAI's API.
#[providers.local]
#base_url = "http://127.0.0.1:11434/v1"
#dialects = ["openai.chat"]
#any_model = true

# A model under the name that clients use: who serves it, and under which id.
#[models.house-model]
#provider = "local"
#model = "qwen3:8b"

# Other names for models.
#[aliases]
#fast = "gpt-4o-mini"

# US dollars per million tokens, as text so that they are exact. They replace what the price book
# says of the model; without any price a call's cost is unknown, never $0.
#[prices."house-model"]
#input = "0.10"
#output = "0.30"
#cache_read = "0.01"
#cache_write_5m = "0.125"
#cache_write_1h = "0.20"
#reasoning = "0.30"
#input_audio = "1.00"
#cache_read_audio = "0.10"
#output_audio = "2.00"
#input_image = "0.10"
#output_image = "30.00"
# By the thousand: web searches, and calls of other hosted tools.
#web_search = "10"
#tools = { file_search = "2.50" }
# By the request, and by the second.
#per_request = ""
#per_second = ""
# It costs nothing, which is said here and never assumed.
#free = false
# Dates (from, and up to but not including) that these prices hold for; [[prices."house-model"]] may
# stand more than once.
#since = 2026-01-01
#until = 2099-01-01
# Hours (UTC; they may pass midnight) and days of the week.
#hours = "01:00-04:00"
#weekdays = ["mon", "tue", "wed", "thu", "fri"]
# What all token prices are multiplied by in a place; without it they hold everywhere.
#residency = { us = "1.1" }
# Or all prices and limits of a model that the price book knows, and then nothing else.
#like = ""
# Where the prices were read.
#source = "https://example.com/prices, checked 2026-11-22"
# The whole call's prices once its prompt is longer than so many tokens.
#long_context = [{ above = 200000, input = "0.20", output = "0.60" }]
# Prices in a service tier; kinds that a tier leaves out keep theirs.
#tiers = { batch = { input = "0.05", output = "0.15" } }

# A call whose model has no price: "allow" books its cost as unknown, "refuse" turns it away,
# "assume" books it at the price of a table [unpriced.price] and marks it so.
#[unpriced]
#policy = "allow"

# Answers a call that was answered before, word for word.
#[exact_cache]
#enabled = true
# "memory": in this process. "sqlite": in a file, which survives restarts and serves all workers.
# "redis": for many machines (pip install 'scrimp[redis]').
#engine = "memory"
# Bytes of remembered replies, in memory or in the file; the least recently used go first.
#max_bytes = 268435456
# Memory in front of a file or a Redis; 0 for none.
#memory_bytes = 67108864
# The file; empty: cache.sqlite in the state folder.
#path = ""
# The variable that holds the URL of the Redis, what its names begin with, how long it may take.
#url_env = "SCRIMP_REDIS_URL"
#prefix = "scrimp"
#timeout_s = 0.25
# How long a call waits for another process that asks the same; 0 never waits.
#wait_s = 10.0
#max_reply_bytes = 1048576
# Hotter calls want a new answer each time.
#max_temperature = 1.0
# So long past its time an answer is still served at once, while it is asked for anew; "0" is never.
#stale_while_revalidate = "0"
#ignore = []  # of "timestamps", "uuids", "nonces", "whitespace", "case": docs/levers/exact-cache.md

# How long an answer stays true, by task type: 90s, 30m, 24h, 7d; "0" is never remembered.
#[exact_cache.ttl]
#factual_qa = "7d"
#summarization = "24h"
#translation = "7d"
#classification = "7d"
#extraction = "24h"
#analysis = "1h"
#code_generation = "1h"
#code_review = "1h"
#complex_reasoning = "1h"
#architecture_design = "1h"
#multi_step_analysis = "1h"
#general = "1h"
#embedding = "30d"
#creative = "0"

# Answers a question that was answered before in other words (pip install 'scrimp[semantic]'). Until
# it is proven that few such answers are wrong, nothing is served.
#[semantic_cache]
#enabled = false
# The share of served answers that may be wrong, how sure that must be, and whether it is a share of
# what is served ("hit") or of all calls ("call"). With slack 1 the bound itself is proven before
# anything is served, with more a multiple of it, and audits watch from then on.
#max_error = 0.02
#confidence = 0.95
#per = "hit"
#slack = 3.0
# Or a cosine from which on answers are served, with nothing promised, and the share to be judged.
#threshold = 0.92
#audits = 0.0
# "memory": in this process; "sqlite": a file that workers share (empty path: in the state folder);
# "postgres" (pgvector), "redis" (8): at the URL in url_env (SCRIMP_POSTGRES_URL, SCRIMP_REDIS_URL).
#engine = "memory"
#path = ""
#url_env = ""
#schema = "scrimp"
# So much room, and so many new questions of one caller an hour.
#max_bytes = 1073741824
#new_per_hour = 2000
# "minilm" in this process, "endpoint" (a provider of above and a model), "fastembed" or
# "sentence-transformers"; a call goes on without what takes longer than limit_s.
#embedder = "minilm"
#embedder_model = ""
#embedder_provider = ""
#embedder_dims = 0
#limit_s = 0.25
# Who compares answers, from cheap to dear: equal, json, numbers, code, embedding, model. Empty: all
# that is free, then judge_model, or, without one, how near answers are.
#judges = []
#judge_model = ""
#judge_usd_per_day = "1.00"
#compared = 2
#max_temperature = 1.0
#max_reply_bytes = 262144
# Questions with one of these words are never answered by meaning.
#never = []
# The version of what answers rest on (documents, prices): another one begins anew.
#corpus = ""
# Whether the texts of questions are kept, so that patterns can find them.
#keep_texts = false
#stale_while_revalidate = "0"  # as in [exact_cache]
# How long answers live where it differs from the exact cache.
#[semantic_cache.ttl]
#factual_qa = "7d"
# Tenants that share answers: nobody else does.
#[semantic_cache.share]
#shop = ["key:web", "key:app"]

# Events from outside that make answers be forgotten (POST /v1/scrimp/events), signed with the
# secret in this variable; a signature is good for so long.
#[events]
#secret_env = "SCRIMP_EVENTS_SECRET"
#tolerance_s = 300

# Equal calls that are in the air at the same time share one attempt.
#[coalesce]
# "auto": where the exact cache is enabled; true or false whatever the exact cache does.
#enabled = "auto"
# How much of a reply is kept for those who join late or read slowly.
#max_bytes = 4194304

"""
    + CHOICE
    + """\
#[ledger]
# Its file; empty: ledger.sqlite in the state folder.
#path = ""
# Keep what was asked and answered. Off, so that the ledger holds no prompt.
#keep_content = false
#traits = true  # keyed digests and sizes of paid calls, no words: what scrimp advise reads

# How budgets are kept. "auto", "sqlite": in a file that all workers share; "memory": one process.
#[budget]
#engine = "auto"
# The file; empty: budgets.sqlite in the state folder.
#path = ""
# Calls that meet soft budgets only, without a price, or while the store is down: allow or refuse.
#soft_unpriced = "allow"
#soft_store_down = "allow"
# Batches are billed later, by what stands in a file: under a hard budget they are refused.
#batches = "refuse"
# The most that a call of an unread path costs; others are refused under a hard budget.
#[budget.paths]
#"/v1/images/generations" = "0.20"

# What a scope may use: one of org, team, user, key, tag, end_user (a name, or "*" for each of its
# kind); without any the budget is everyone's.
#[budgets.ci]
#team = "ci"
#usd = "5.00"
#tokens = 2000000
#calls = 5000
# minute, hour, day, week, month, lifetime, or any time such as 24h at any moment.
#per = "day"
#zone = "UTC"
# Dollars and calls are hard, tokens are soft, unless this is said.
#hard = true
# In any burst_window at most so many times the even share of it; 0 for no such limit.
#burst = 0
#burst_window = "1h"
# A part of the calls: a model ("gpt-4o*": all that begin so), a provider.
#model = ""
#provider = ""
#also = [{ usd = "100.00", per = "month" }]
# A tier's amounts count beside these.
#tier = "free"
# The most that one call may cost and read.
#call_usd = "0.50"
#call_input_tokens = 200000

#[tiers.free]
#tokens = 50000
#per = "day"

# How fast calls may come, in any 60 seconds and at once.
#[limits.each-key]
#key = "*"
#requests_per_minute = 60
#tokens_per_minute = 100000
#parallel = 8

# What comes before a refusal where a soft budget is used up.
#[degrade]
#enabled = true
#ladder = ["older_answer", "cheaper_model", "shorter_answer"]
# Ladders for some calls: [[degrade.only]] with ladder, and budget, task or path.
#only = []
# Answers kept beyond their time; "auto": 24h where this file has budgets, "0": none.
#keep_older = "auto"
# The cheapest that fits is asked.
#models = []
#cheaper_until_percent = 125
#shorter_until_percent = 150
#max_output_tokens = 100
# The line below a shortened text; {tokens} and {budget} stand for what they say.
#notice = ""

# Who is told when budgets fill up, costs jump, or something is amiss (scrimp alerts test).
#[alerts]
# "auto": on where somebody below can be told; true: also without, for scrimp alerts list.
#enabled = "auto"
# Percent of a limit.
#levels = [50, 75, 90, 100]
# Names or patterns of the budgets that are watched; empty: all.
#budgets = []
# What nobody wants to hear: budget, refused, forecast, tag_spend, hit_rate, unpriced, tier, loop.
#mute = []
# A forecast is made once so much of a window is over.
#forecast_after_percent = 10
# A tag's spend of today beside its mean of seven days, from so many dollars on.
#tag_over_percent = 50
#tag_from_usd = 1
# The hit rate of the last hours beside that of seven days, over so many calls at least.
#hit_rate_drop_percent = 50
#hit_rate_from_calls = 200
# Of one kind; further ones are listed and not sent.
#most_per_hour = 60
# How long a delivery that fails is tried.
#give_up = "3d"

# The same call of one session or key, more than so many times within a time.
#[alerts.loop]
#times = 30
#within = "10m"
# Refuse it, too.
#block = false

# A signed POST; the address may stand in a variable instead, the secret always does.
#[alerts.webhook]
#url = ""
#url_env = "SCRIMP_WEBHOOK_URL"
#secret_env = "SCRIMP_WEBHOOK_SECRET"
#timeout_s = 10.0

# An incoming webhook of Slack's.
#[alerts.slack]
#url_env = "SCRIMP_SLACK_URL"
#timeout_s = 10.0

#[alerts.email]
#host = "smtp.example.com"
#port = 587
# "starttls", "tls" (from the first byte, often port 465) or "none".
#tls = "starttls"
# Without a user nothing is logged in.
#user = ""
#password_env = "SCRIMP_SMTP_PASSWORD"
#sender = "scrimp@example.com"
#to = ["ops@example.com"]
# The authority of the server's certificate, where it is your own.
#ca_file = ""
#timeout_s = 10.0

# Who reads /metrics where callers need keys: a key of its own (`scrimp key` makes one).
#[metrics]
#sha256 = ""

# The admin API. `scrimp keys create NAME --admin` makes keys for it; one may stand here.
#[admin]
#enabled = true
#sha256 = ""

# Virtual keys that stand here (`scrimp key NAME` prints this table); `scrimp keys` makes others.
#[[keys]]
#name = "example"
#sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
#team = ""
#user = ""
#task = ""
#tags = []
#models = []
#org = ""
# Its calls may name an end user, who then has budgets of their own.
#trusted = false
#expires = 2099-12-31T23:59:59Z
"""
)
