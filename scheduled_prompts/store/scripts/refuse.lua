-- refuse: what an agent was refused in a fire is noted on the prompt whose fire it is, once a fire, deed and kind of refusal,
-- with how often: a loop cannot flood the account. Nothing else changes.
-- KEYS: meta
-- ARGV: op now who deed code note
-- `who` is JSON (see callers.lua); `deed` what it wanted to do, `code` the refusal's, `note` its words.
-- Answers {'noted'} | {'gone'}.
if prior then return prior end
local actor = cjson.decode(ARGV[3])
local id = prompt_of(actor.fire)
if not belongs_to(id, actor.owner) or redis.call('EXISTS', fire_key(actor.fire)) == 0 then return {'gone'} end
harm_alone(note_again, id, 'refused', actor.fire, {by = actor.by, deed = ARGV[4], code = ARGV[5]}, function()
  return {note = in_short(ARGV[6])}
end)
return remember({'noted'})
