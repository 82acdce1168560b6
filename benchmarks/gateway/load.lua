-- Load by wrk: sends LOAD_REQUEST's bytes, with a number of its own in place of the marked digits.
-- Prints one line of JSON that begins with RESULT. Run by loading.py.

local file = assert(io.open(os.getenv("LOAD_REQUEST"), "rb"))
local raw = file:read("*a")
file:close()
local mark = os.getenv("LOAD_MARK")
local from, to = raw:find(mark, 1, true)
local before, after, count = "", "", 0
if from then
  before, after = raw:sub(1, from - 1), raw:sub(to + 1)
end
local number = "%0" .. #mark .. "d"

function request()
  if not from then
    return raw
  end
  count = count + 1
  return before .. number:format(count) .. after
end

function done(summary, latency, requests)
  local lost = summary.errors
  local errors = lost.connect + lost.read + lost.write + lost.status + lost.timeout
  io.write(string.format(
    'RESULT {"calls": %d, "seconds": %f, "errors": %d, "p50_ms": %f, "p99_ms": %f}\n',
    summary.requests, summary.duration / 1e6, errors,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
