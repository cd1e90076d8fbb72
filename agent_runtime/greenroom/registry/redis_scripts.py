"""What Redis does in one atomic step. The scripts build their keys from a prefix, so all keys must live on one node.

Every key is listed in its folders: sorted sets by the moment, in milliseconds of the server's own clock, at which the
key expires. A folder's set is swept before it is counted, so that what a dead node left counts for nobody.
"""

from __future__ import annotations

FOLDERS = ".folders:"
"""Between the store's prefix and the path of a folder: where the set of that folder is."""

_COMMON = f"""
local prefix = ARGV[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local at = 1
local function take()
  at = at + 1
  return ARGV[at]
end
local function set_of(folder)
  return prefix .. '{FOLDERS}' .. folder
end
local swept = {{}}
local function sweep(set)
  if not swept[set] then
    redis.call('ZREMRANGEBYSCORE', set, '-inf', now)
    swept[set] = true
  end
end
local function each_folder(key, act)
  local slash = string.find(key, '/', 1, true)
  while slash do
    act(set_of(string.sub(key, 1, slash)))
    slash = string.find(key, '/', slash + 1, true)
  end
end
local function list(key, ttl)
  each_folder(key, function(set)
    sweep(set)
    redis.call('ZADD', set, string.format('%.0f', now + ttl), key)
    if redis.call('PTTL', set) < tonumber(ttl) then
      redis.call('PEXPIRE', set, ttl)
    end
  end)
end
"""

PUT = (
    _COMMON
    + """
local function take_threes()
  local threes = {}
  for i = 1, tonumber(take()) do
    threes[i] = {take(), take(), take()}
  end
  return threes
end
local function first_full(limits, entries)
  for i, limit in ipairs(limits) do
    local set = set_of(limit[1])
    sweep(set)
    local others = redis.call('ZCARD', set)
    for _, entry in ipairs(entries) do
      if redis.call('ZSCORE', set, entry[1]) then
        others = others - 1
      end
    end
    if others >= tonumber(limit[2]) then
      return i
    end
  end
  return 0
end
local answers = {}
while at < #ARGV do
  local limits = take_threes()
  local entries = take_threes()
  local drops = {}
  for i = 1, tonumber(take()) do
    drops[i] = take()
  end
  local full = first_full(limits, entries)
  if full == 0 then
    for _, key in ipairs(drops) do
      redis.call('DEL', prefix .. key)
      each_folder(key, function(set) redis.call('ZREM', set, key) end)
    end
    for _, entry in ipairs(entries) do
      redis.call('SET', prefix .. entry[1], entry[2], 'PX', entry[3])
      list(entry[1], entry[3])
    end
  end
  answers[#answers + 1] = full
end
return answers
"""
)
"""ARGV: the prefix, then of each request n, n × (folder, limit, -), n, n × (key, value, ttl in ms), n, n × dropped key.

Answers for each request 0, or the number of the first limit that left no room; nothing of that request was done then.
"""

RENEW = (
    _COMMON
    + """
local answers = {}
while at < #ARGV do
  local key, ttl = take(), take()
  local there = redis.call('PEXPIRE', prefix .. key, ttl)
  if there == 1 then
    list(key, ttl)
  end
  answers[#answers + 1] = there
end
return answers
"""
)
"""ARGV: the prefix, then (key, ttl in ms) for each. Answers 1 for each key that is there, else 0."""

LIST_FOLDER = (
    _COMMON
    + """
return redis.call('ZRANGEBYSCORE', set_of(take()), '(' .. string.format('%.0f', now), '+inf')
"""
)
"""ARGV: the prefix, a folder. Answers its keys."""
