/**
 * What runs inside Valkey or Redis. Each script is atomic, and works by the server's own clock, in microseconds. All
 * keys have the hash tag `{ip}`, so that a cluster keeps them in one place.
 *
 * KEYS[1] `life`: which run of the server this is, and since when. A server that was started anew, or another that took
 * over, may have lost what the last one counted.
 * KEYS[2] `gateways`: by name, when each was last heard of.
 */
const PRELUDE = `
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local function int(n) return string.format('%.0f', n) end
local a = cjson.decode(ARGV[1])
-- What was sent long ago must not be taken for a sign of life.
if now > a.deadline then return {'late', int(now)} end
if redis.call('HGET', KEYS[1], 'run') ~= a.run then
  redis.call('DEL', KEYS[1], KEYS[2])
  redis.call('HSET', KEYS[1], 'run', a.run, 'born', int(now))
end
local age = now - tonumber(redis.call('HGET', KEYS[1], 'born'))
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', int(now - a.forget))
`;

/** Makes the gateway known, if there is room for it among those that there may be. */
export const JOIN = `${PRELUDE}
if not redis.call('ZSCORE', KEYS[2], a.me) and redis.call('ZCARD', KEYS[2]) >= a.gateways then
  return {'full', int(now)}
end
redis.call('ZADD', KEYS[2], int(now), a.me)
return {'ok', int(now)}
`;

/** It has stopped for good, and admits nobody. */
export const LEAVE = `${PRELUDE}
redis.call('ZREM', KEYS[2], a.me)
return {'ok', int(now)}
`;

const HEARTBEAT = `${PRELUDE}
if not redis.call('ZSCORE', KEYS[2], a.me) then return {'join', int(now)} end
redis.call('ZADD', KEYS[2], int(now), a.me)
`;

/** Keeps the gateway known, and its leases: KEYS from 3, each with the ids in \`a.held\` at its place. */
export const BEAT = `${HEARTBEAT}
for i, ids in ipairs(a.held) do
  for _, id in ipairs(ids) do redis.call('ZADD', KEYS[2 + i], 'XX', int(now + a.lease), id) end
  redis.call('PEXPIRE', KEYS[2 + i], math.ceil(a.lease / 1000))
end
return {'ok', int(now)}
`;

/** All claims or none. KEYS from 3: the windows, then the leases. */
export const TAKE = `${HEARTBEAT}
local known = redis.call('ZCARD', KEYS[2])
-- After a restart nobody knows what was admitted just before, until all have said it or it is past.
if known < a.gateways and age < a.window + a.stale then
  return {'closed', int(now), int(a.window + a.stale - age)}
end
-- Gateways that may be going on without the server, each with its share.
local away = redis.call('ZCOUNT', KEYS[2], '-inf', '(' .. int(now - a.stale))
if age < a.forget then away = away + math.max(0, a.gateways - known) end
local function room(limit) return limit - math.floor(limit / a.gateways) * away end

local answer = {'ok', int(now), '0', ''}
for i, limit in ipairs(a.windows) do
  local key = KEYS[2 + i]
  redis.call('ZREMRANGEBYSCORE', key, '-inf', int(now - a.window))
  local count = redis.call('ZCARD', key)
  local free = room(limit) - count
  if free <= 0 and answer[1] == 'ok' then answer[1] = 'window'; answer[3] = tostring(i) end
  local first = redis.call('ZRANGE', key, math.max(0, -free), math.max(0, -free), 'WITHSCORES')
  answer[#answer + 1] = int(math.max(0, free))
  answer[#answer + 1] = first[2] and int(tonumber(first[2]) + a.window - now) or int(a.window)
end
if answer[1] ~= 'ok' then return answer end

local function weights(key)
  local pixels, steps = 0, 0
  for _, member in ipairs(redis.call('ZRANGE', key, 0, -1)) do
    local p, s = string.match(member, '|(%d+)|(%d+)$')
    pixels = pixels + tonumber(p)
    steps = steps + tonumber(s)
  end
  return pixels, steps
end
local function heavy(held, weight, bound)
  return bound > 0 and weight > 0 and held + math.min(weight, bound) > room(bound)
end
for i, bound in ipairs(a.leases) do
  local key = KEYS[2 + #a.windows + i]
  redis.call('ZREMRANGEBYSCORE', key, '-inf', int(now))
  local what = ''
  if bound.requests > 0 and redis.call('ZCARD', key) >= room(bound.requests) then what = 'requests' end
  if what == '' and (bound.pixels > 0 or bound.steps > 0) then
    local pixels, steps = weights(key)
    if heavy(pixels, a.pixels, bound.pixels) then what = 'pixels'
    elseif heavy(steps, a.steps, bound.steps) then what = 'steps' end
  end
  if what ~= '' then
    answer[1] = 'lease'
    answer[3] = tostring(i)
    answer[4] = what
    return answer
  end
end

for i = 1, #a.windows do
  redis.call('ZADD', KEYS[2 + i], int(now), a.id)
  redis.call('PEXPIRE', KEYS[2 + i], math.ceil(a.window / 1000) + 1000)
  answer[3 + 2 * i] = int(tonumber(answer[3 + 2 * i]) - 1)
end
for i = 1, #a.leases do
  local key = KEYS[2 + #a.windows + i]
  redis.call('ZADD', key, int(now + a.lease), a.member)
  redis.call('PEXPIRE', key, math.ceil(a.lease / 1000))
end
return answer
`;

/** Gives back what KEYS hold: windows under \`ARGV[1]\`, leases under \`ARGV[2]\`. */
export const GIVE_BACK = `
for _, key in ipairs(KEYS) do redis.call('ZREM', key, ARGV[1], ARGV[2]) end
return 1
`;

/**
 * Tells what was counted while the server did not know of it. KEYS[1]: a window; ARGV: its length, then id and age in
 * turn, in microseconds. What it knows already stays as it is.
 */
export const TELL_WINDOW = `
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
for i = 2, #ARGV, 2 do
  redis.call('ZADD', KEYS[1], 'NX', string.format('%.0f', now - tonumber(ARGV[i + 1])), ARGV[i])
end
redis.call('PEXPIRE', KEYS[1], math.ceil(tonumber(ARGV[1]) / 1000) + 1000)
return 1
`;

/** Likewise for a lease: ARGV is its length, then its members. */
export const TELL_LEASE = `
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
for i = 2, #ARGV do
  redis.call('ZADD', KEYS[1], string.format('%.0f', now + tonumber(ARGV[1])), ARGV[i])
end
redis.call('PEXPIRE', KEYS[1], math.ceil(tonumber(ARGV[1]) / 1000))
return 1
`;
