"""What a Redis does in one step for answers by meaning: scripts, each whole or not at all.

Every name begins with the prefix and the number of this layout (`PREFIX:m1:`); SCOPE is in hex:

    g:GROUP   a group and its answer            e   groups by their end
    d:SCOPE   its groups' facts                 n   last number given, questions, bytes in all
    v:SCOPE   its vectors (a vector set)        c   callers by the bytes that they hold
    q:SCOPE   its questions' rows               u:CALLER         a caller's groups by use
    t:SCOPE   its questions' texts, where kept  w:SCOPE:CALLER   those of one scope
    s:SCOPE   size of vectors, count, state     h:SCOPE          callers by questions held
    l:SCOPE   its newest verdicts               r:HOUR           what callers added in an hour
    a, x      scopes: all, and without questions by their last change
    b, k      books: figures, and whose         f   what was forgotten lately, by the server's time

Numbers of groups and questions grow with the server's clock, so that one which lost its data, or
went back to older data, never gives a number twice. Sums are kept true by the scripts alone.
"""

from __future__ import annotations

_COMMON = """
local P, call, a = KEYS[1], redis.call, cmsgpack.unpack(ARGV[1])
for i = 2, #ARGV, 2 do a[ARGV[i]] = ARGV[i + 1] end
local function int(n) return string.format('%.0f', n) end
local function clock() local t = call('TIME'); return t[1] * 1000000 + t[2] end
local function new_number()
  local last = tonumber(call('HGET', P .. 'n', 'last') or '0')
  local number = int(math.max(last + 1, clock()))
  call('HSET', P .. 'n', 'last', number)
  return number
end
local function note(kind, book, more) call('HINCRBY', P .. 'b', kind .. book, int(more)) end
local function facts(s, id)
  local told = call('HGET', P .. 'd:' .. s, id)
  if not told then return nil end
  local e, n, same, other, out = string.match(told, '(%d+):(%d+):(%d+):(%d+):(%d)')
  return {e = tonumber(e), n = tonumber(n), same = tonumber(same), other = tonumber(other),
    out = tonumber(out)}
end
local function tell(s, id, f)
  call('HSET', P .. 'd:' .. s, id, table.concat({int(f.e), f.n, f.same, f.other, f.out}, ':'))
end
local function grew(s, book, caller, questions, bytes)
  call('HINCRBY', P .. 'n', 'questions', questions)
  call('HINCRBY', P .. 'n', 'bytes', int(bytes))
  note('q', book, questions)
  note('s', book, bytes)
  local held = call('HINCRBY', P .. 's:' .. s, 'n', questions)
  if held > 0 then call('ZREM', P .. 'x', s) else call('ZADD', P .. 'x', int(clock()), s) end
  if tonumber(call('ZINCRBY', P .. 'h:' .. s, questions, caller)) <= 0 then
    call('ZREM', P .. 'h:' .. s, caller)
  end
  if tonumber(call('ZINCRBY', P .. 'c', int(bytes), caller)) <= 0 then
    call('ZREM', P .. 'c', caller)
  end
end
local function forget(id)
  call('ZREM', P .. 'e', id)
  local s, book, caller, size, ids = unpack(
    call('HMGET', P .. 'g:' .. id, 'scope', 'book', 'caller', 'size', 'ids'))
  if not s then return false end
  local questions = 0
  for q in string.gmatch(ids, '%d+') do
    questions = questions + 1
    call('VREM', P .. 'v:' .. s, q)
    call('HDEL', P .. 'q:' .. s, q)
    call('HDEL', P .. 't:' .. s, q)
  end
  call('DEL', P .. 'g:' .. id)
  call('HDEL', P .. 'd:' .. s, id)
  call('ZREM', P .. 'u:' .. caller, id)
  call('ZREM', P .. 'w:' .. s .. ':' .. caller, id)
  grew(s, book, caller, -questions, -tonumber(size))
  note('g', book, -1)
  return true
end
local function forget_dead(most)
  local dead = call('ZRANGEBYSCORE', P .. 'e', '-inf', int(a.now), 'LIMIT', 0, most)
  for _, id in ipairs(dead) do forget(id) end
  return #dead
end
local function scope_of(s, dims)
  local known = call('HGET', P .. 's:' .. s, 'dims')
  if not known then
    if call('SCARD', P .. 'a') >= a.scopes then
      for _, old in ipairs(call('ZRANGE', P .. 'x', 0, 255)) do
        call('DEL', P .. 's:' .. old, P .. 'l:' .. old)
        call('ZREM', P .. 'x', old)
        call('SREM', P .. 'a', old)
      end
    end
    call('SADD', P .. 'a', s)
    call('ZADD', P .. 'x', int(clock()), s)
  end
  if (known or '0') == '0' then call('HSET', P .. 's:' .. s, 'dims', dims); return nil end
  if dims ~= 0 and tonumber(known) ~= dims then return 'dims ' .. known end
  return nil
end
local function book_of(name)
  if call('SISMEMBER', P .. 'k', name) == 1 then return name end
  if call('SCARD', P .. 'k') >= a.scopes then name = a.others end
  call('SADD', P .. 'k', name)
  return name
end
"""

_WHEN_FULL = "#!lua flags=allow-oom\n"
"""What makes room, or takes an answer out, is done by a server that has none left, too."""

_ADDING = """
local function may_add(caller)
  if caller == '' then return true end
  local hour = P .. 'r:' .. int(a.hour)
  if tonumber(call('HGET', hour, caller) or '0') >= a.per_hour then return false end
  call('HINCRBY', hour, caller, 1)
  call('EXPIRE', hour, 7200)
  return true
end
local function drive_out(ranked, uses)
  local who = call('ZREVRANGE', P .. ranked, 0, 0)[1]
  if not who then return false end
  local id = call('ZRANGE', P .. uses .. who, 0, 0)[1]
  if not id then call('ZREM', P .. ranked, who)
  elseif not forget(id) then call('ZREM', P .. uses .. who, id) end
  return true
end
local function make_room(s)
  for _ = 1, 500 do
    local held = tonumber(call('HGET', P .. 's:' .. s, 'n') or '0')
    local all = call('HMGET', P .. 'n', 'questions', 'bytes')
    local own = held > a.scope_questions
    local fits = tonumber(all[1]) <= a.max_questions and tonumber(all[2]) <= a.max_bytes
    if fits and not own then return end
    if forget_dead(1) == 0 then
      if own then
        if not drive_out('h:' .. s, 'w:' .. s .. ':') then return end
      elseif not drive_out('c', 'u:') then
        call('HSET', P .. 'n', 'questions', 0, 'bytes', 0)
        return
      end
    end
  end
end
local function add_question(s, id, f)
  local q = new_number()
  call('VADD', P .. 'v:' .. s, 'FP32', a.vector, q, 'NOQUANT', 'EF', a.effort)
  call('HSET', P .. 'q:' .. s, q, id .. ':' .. int(f.e) .. ':' .. a.row)
  if a.text ~= '' then call('HSET', P .. 't:' .. s, q, a.text) end
  f.n = f.n + 1
  tell(s, id, f)
  return q
end
"""

ROWS = """#!lua flags=no-writes
local rows, sizes = redis.call('HMGET', KEYS[1], unpack(ARGV)), {}
for at = 1, #ARGV do
  rows[at] = rows[at] or ''
  sizes[at] = #rows[at]
end
return table.concat(sizes, ' ') .. '\\n' .. table.concat(rows)
"""
"""Many rows as one: its client reads one long answer in a fraction of the time of many."""

ADD_ROOT = f"""{_COMMON}{_ADDING}
local old = a.old and facts(a.s, a.old)
if a.old and (not old or old.out == 1 or old.e <= a.now) then return 0 end
if a.ago >= 0 then
  local found = call('ZRANGEBYSCORE', P .. 'f', int(clock() - a.ago), '+inf')
  if #found ~= a.harmless then return found end
end
local other = scope_of(a.s, a.dims)
if other then return other end
if not a.old and not may_add(a.caller) then return 0 end
local id, f = new_number(), {{e = a.expires, n = 0, same = 0, other = 0, out = 0}}
local q, book = add_question(a.s, id, f), book_of(a.book)
call('HSET', P .. 'g:' .. id, 'scope', a.s, 'book', book, 'caller', a.caller, 'size', int(a.size),
  'stored', int(a.stored), 'tenant', a.tenant, 'task', a.task, 'name', a.name, 'model', a.model,
  'tags', a.tags, 'ids', q, 'reply', a.reply)
call('ZADD', P .. 'e', int(a.expires), id)
call('ZADD', P .. 'u:' .. a.caller, id, id)
call('ZADD', P .. 'w:' .. a.s .. ':' .. a.caller, id, id)
note('g', book, 1)
grew(a.s, book, a.caller, 1, a.size)
if a.old then forget(a.old) end
make_room(a.s)
return id
"""

ADD_ALIAS = f"""{_COMMON}{_ADDING}
local other = scope_of(a.s, a.dims)
if other then return other end
local f = facts(a.s, a.group)
if not f or f.n >= a.group_questions or f.out == 1 or f.e <= a.now then return 0 end
local key = P .. 'g:' .. a.group
local book, caller, ids = unpack(call('HMGET', key, 'book', 'caller', 'ids'))
if not book or not may_add(a.caller) then return 0 end
local q = add_question(a.s, a.group, f)
call('HSET', key, 'ids', ids .. ' ' .. q)
call('HINCRBY', key, 'size', int(a.size))
grew(a.s, book, caller, 1, a.size)
make_room(a.s)
return 1
"""

CLAIM = f"""{_COMMON}
local f, key = facts(a.s, a.group), P .. 'g:' .. a.group
if not f or f.out == 1 or f.e <= a.now or call('HEXISTS', key, 'scope') == 0 then return 0 end
if tonumber(call('HGET', key, 'claimed') or '0') > clock() then return 0 end
call('HSET', key, 'claimed', int(clock() + a.lease))
return 1
"""

JUDGED = f"""{_COMMON}
scope_of(a.s, 0)
call('RPUSH', P .. 'l:' .. a.s, a.verdict)
call('LTRIM', P .. 'l:' .. a.s, -a.verdicts, -1)
local f, book = facts(a.s, a.group), call('HGET', P .. 'g:' .. a.group, 'book')
if not f or not book then return 1 end
if a.equal then f.same = f.same + 1 else f.other = f.other + 1 end
tell(a.s, a.group, f)
note('j', book, 1)
note('c', book, a.cost)
return 1
"""

SAVE = f"""{_COMMON}
scope_of(a.s, 0)
call('HSET', P .. 's:' .. a.s, 'state', a.state)
if call('ZSCORE', P .. 'x', a.s) then call('ZADD', P .. 'x', int(clock()), a.s) end
return 1
"""

QUARANTINE = f"""{_WHEN_FULL}{_COMMON}
local f = facts(a.s, a.group)
if f then f.out = 1; tell(a.s, a.group, f) end
return 1
"""

DELETE = f"""{_WHEN_FULL}{_COMMON}
local f = facts(a.s, a.group)
if not f or f.e <= a.now then return 0 end
if not forget(a.group) then call('HDEL', P .. 'd:' .. a.s, a.group); return 0 end
return 1
"""

TELL = f"""{_WHEN_FULL}{_COMMON}
for _, id in ipairs(a.used) do
  local s, caller = unpack(call('HMGET', P .. 'g:' .. id, 'scope', 'caller'))
  if s then
    local number = new_number()
    call('ZADD', P .. 'u:' .. caller, 'XX', number, id)
    call('ZADD', P .. 'w:' .. s .. ':' .. caller, 'XX', number, id)
  end
end
for _, one in ipairs(a.looks) do
  local book = book_of(one[1])
  note('h', book, one[2])
  note('m', book, one[3])
  note('a', book, one[4])
end
return 1
"""

PURGE = f"""{_WHEN_FULL}{_COMMON}
return forget_dead(a.most)
"""

LOG = f"""{_WHEN_FULL}{_COMMON}
local now = clock()
call('ZADD', P .. 'f', int(now), a.entry)
call('ZREMRANGEBYSCORE', P .. 'f', '-inf', '(' .. int(now - a.kept_s * 1000000))
call('EXPIRE', P .. 'f', a.kept_s)
return int(math.max(tonumber(call('HGET', P .. 'n', 'last') or '0'), 0))
"""

CHOSEN = f"""{_COMMON}
local function tagged(tags)
  if a.tag == '' then return true end
  for _, tag in ipairs(cmsgpack.unpack(tags)) do if tag == a.tag then return true end end
  return false
end
local function same(asked, found) return asked == '' or asked == found end
local chosen = {{}}
for _, id in ipairs(a.ids) do
  local name, model, tenant, task, stored, tags, s, ids = unpack(call('HMGET', P .. 'g:' .. id,
    'name', 'model', 'tenant', 'task', 'stored', 'tags', 'scope', 'ids'))
  if name and same(a.key, name) and same(a.model, model) and same(a.tenant, tenant)
    and same(a.task, task) and (a.before < 0 or tonumber(stored) < a.before) and tagged(tags) then
    if a.words then
      local texts = {{}}
      for q in string.gmatch(ids, '%d+') do
        texts[#texts + 1] = call('HGET', P .. 't:' .. s, q) or ''
      end
      chosen[#chosen + 1] = {{id, name, tags, texts}}
    else
      chosen[#chosen + 1] = id
    end
  end
end
return chosen
"""

FORGET = f"""{_WHEN_FULL}{_COMMON}
local gone = 0
for _, id in ipairs(a.ids) do if forget(id) then gone = gone + 1 end end
return gone
"""
