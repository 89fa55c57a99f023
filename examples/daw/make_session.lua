-- Makes an Ardour session without a screen: one audio track with an LV2 plugin on it for each URI and channel count.
-- Called as: ardour7-lua make_session.lua FOLDER RATE PERIOD URI CHANNELS [URI CHANNELS ...]
-- Prints for each track "track NAME plugin LATENCY route LATENCY", in samples.

local SETTLING_TIME_US = 400000 -- a plugin reports its latency when it first runs, and Ardour asks after that

local function fail(message)
   print("failed: " .. message)
   os.exit(1)
end

local function start_engine(rate, period)
   local backend = AudioEngine:set_backend("None (Dummy)", "", "")
   backend:set_device_name("Silence")
   backend:set_sample_rate(rate)
   backend:set_buffer_size(period)
   if AudioEngine:start(false) ~= 0 then
      fail("the sound engine without a sound card did not start")
   end
end

local function add_track(session, name, uri, channels)
   local plugin = ARDOUR.LuaAPI.new_plugin(session, uri, ARDOUR.PluginType.LV2, "")
   if plugin:isnil() then
      fail("Ardour finds no LV2 plugin " .. uri)
   end
   local last = ARDOUR.PresentationInfo.max_order
   local tracks = session:new_audio_track(channels, channels, nil, 1, name, last, ARDOUR.TrackMode.Normal, true)
   for route in tracks:iter() do
      if route:add_processor_by_index(plugin, 0, nil, true) ~= 0 then
         fail("Ardour does not put " .. uri .. " on a track of " .. channels .. " channels")
      end
      if channels == 1 then
         route:output():nth(0):connect("Master/audio_in 2") -- a mono track is heard on both sides, at full level
      end
   end
   return tracks, plugin
end

local folder, rate, period = arg[1], tonumber(arg[2]), tonumber(arg[3])
start_engine(rate, period)
local session = create_session(folder, folder:match("([^/]+)/*$"), rate)
if not session then
   fail("Ardour cannot make a session in " .. folder)
end
local made = {}
for index = 4, #arg, 2 do
   local name = "track" .. (index - 2) // 2
   local tracks, plugin = add_track(session, name, arg[index], tonumber(arg[index + 1]))
   made[#made + 1] = { name = name, tracks = tracks, plugin = plugin }
end
ARDOUR.LuaAPI.usleep(SETTLING_TIME_US)
for _, track in ipairs(made) do
   for route in track.tracks:iter() do
      local latency = track.plugin:to_insert():signal_latency()
      print("track", track.name, "plugin", latency, "route", route:signal_latency())
   end
end
session:save_state("", false, false, false, false, false)
made, session = nil, nil
collectgarbage()
close_session()
print("saved")
