// The peer: the reads and writes of the benchmark with Express 5 and Mongoose 8, as their guides teach it.
// MODE: `lean` (plain objects), `redis` (the same, answers cached in Redis).
import cluster from 'node:cluster';
import * as argon2 from '@node-rs/argon2';
import express from 'express';
import { SignJWT, jwtVerify } from 'jose';
import mongoose from 'mongoose';
import { createClient } from 'redis';
import { Block, Channel, Comment, Credential, Event, Like, Session, Trending, User, Video } from './models.js';

const { MODE = 'lean', PORT, MONGO_URI, REDIS_URL, PEER_SECRET, WORKERS = '2', CACHE_SECONDS = '15' } = process.env;
const SECRET = new TextEncoder().encode(PEER_SECRET);
const PAGE = 25;
const LISTED = { visibility: 'public', status: 'READY', deleted_at: null };
// What nobody is shown; Marquee's declarations say, so that both leave out the same.
const HIDDEN_NAMES = (process.env.HIDDEN ?? 'deleted_at').split(',');
const OWNERS = ['media', 'status_detail', 'publish_at'];
const HIDDEN = HIDDEN_NAMES.map((name) => `-${name}`).join(' ');
const HIDDEN_FROM_OWNERS = HIDDEN_NAMES.filter((name) => !OWNERS.includes(name)).map((name) => `-${name}`).join(' ');
const NEWEST = { published_at: -1, _id: -1 };
const redis = createClient({ url: REDIS_URL });

const isId = (text) => /^[0-9a-f]{24}$/.test(text);
const read = (query) => query.lean();

async function authenticate(req, res, next) {
  const [scheme, token] = (req.get('authorization') ?? '').split(' ');
  if (scheme !== 'Bearer') return res.status(401).json({ error: 'Sign in.' });
  let claims;
  try {
    claims = (await jwtVerify(token, SECRET, { audience: 'peer' })).payload;
  } catch {
    return res.status(401).json({ error: 'Bad token.' });
  }
  const [session, user] = await redis.mGet([`peer:session:${claims.sid}`, `peer:user:${claims.sub}`]);
  if (!session || !user) return res.status(401).json({ error: 'Revoked.' });
  const state = JSON.parse(user);
  if (!state.active) return res.status(401).json({ error: 'Suspended.' });
  req.user = { id: claims.sub, role: state.role };
  next();
}

function cached(req, res, next) {
  if (MODE !== 'redis') return next();
  const key = `peer:${req.originalUrl}`;
  redis.get(key).then((hit) => {
    if (hit !== null) return res.type('application/json').send(hit);
    const json = res.json.bind(res);
    res.json = (body) => {
      const text = JSON.stringify(body);
      if (res.statusCode === 200) redis.set(key, text, { EX: Number(CACHE_SECONDS) }).catch(() => {});
      return res.type('application/json').send(text);
    };
    res.plainJson = json;
    next();
  }, next);
}

function page(items, limit) {
  const more = items.length > limit;
  const shown = items.slice(0, limit);
  const last = shown.at(-1);
  return {
    _items: shown,
    _links: more ? { next: Buffer.from(JSON.stringify([last.published_at ?? null, last._id])).toString('base64url') } : {},
    _meta: { max_results: limit },
  };
}

const app = express();
app.disable('x-powered-by');
app.use(express.json());
const api = express.Router();
app.use('/api/v1', api);
app.get('/healthz', (req, res) => res.send('ok'));

async function listVideos(req, res) {
  let query = Video.find(LISTED).select(HIDDEN).sort(NEWEST).limit(PAGE + 1);
  if (req.query.embedded === 'channel') query = query.populate('channel', 'handle name avatar');
  const found = await read(query);
  res.json(page(found, PAGE));
}

async function listVideosSignedIn(req, res) {
  // The same checks: an owner or a moderator sees more of a video than others do.
  const found = await Video.find(LISTED).select(HIDDEN_FROM_OWNERS).sort(NEWEST).limit(PAGE + 1).lean();
  for (const one of found) {
    if (String(one.owner) !== req.user.id && req.user.role === 'user') {
      for (const name of OWNERS) delete one[name];
    }
  }
  res.json(page(found, PAGE));
}

api.get('/videos', (req, res, next) => (req.get('authorization') ? next() : next('route')),
  authenticate, listVideosSignedIn);
api.get('/videos', cached, listVideos);

api.get('/videos/:id', cached, async (req, res) => {
  const one = isId(req.params.id) && await read(Video.findOne({ ...LISTED, _id: req.params.id }).select(HIDDEN));
  return one ? res.json(one) : res.status(404).json({ error: 'Not found.' });
});

api.get('/videos/:id/comments', cached, async (req, res) => {
  if (!isId(req.params.id)) return res.status(404).json({ error: 'Not found.' });
  const video = await Video.findOne({ ...LISTED, _id: req.params.id }).select('_id').lean();
  if (!video) return res.status(404).json({ error: 'Not found.' });
  const found = await read(Comment.find({ video: req.params.id, parent: null, status: 'published' })
    .select(HIDDEN).sort({ _id: -1 }).limit(PAGE + 1));
  res.json(page(found, PAGE));
});

api.get('/feed/trending', cached, async (req, res) => {
  const rows = await Trending.find({ window: 'day' }).sort({ window: 1, generation: -1, rank: 1 }).limit(PAGE + 1).lean();
  const ids = rows.slice(0, PAGE).map((row) => row.video);
  const found = await read(Video.find({ ...LISTED, _id: { $in: ids } }).select(HIDDEN));
  const byId = new Map(found.map((one) => [String(one._id), one]));
  const items = ids.map((id) => byId.get(String(id))).filter(Boolean).map((one) => ({ ...one, reason: 'trending' }));
  res.json({ _items: items, _links: {}, _meta: { max_results: PAGE } });
});

api.get('/search', cached, async (req, res) => {
  const score = { score: { $meta: 'textScore' } };
  const found = await Video.aggregate([
    { $match: { ...LISTED, $text: { $search: String(req.query.q) } } },
    { $set: score },
    { $sort: { score: -1, _id: -1 } },
    { $limit: PAGE + 1 },
    { $unset: HIDDEN_NAMES },
  ]);
  res.json(page(found.map(({ score: _, ...one }) => ({ ...one, reason: 'match' })), PAGE));
});

api.get('/me', authenticate, async (req, res) => {
  res.json(await User.findById(req.user.id).select('-username_key -email_key').lean());
});

api.post('/videos/:id/comments', authenticate, async (req, res) => {
  const { text } = req.body ?? {};
  if (typeof text !== 'string' || text.length < 1 || text.length > 5000) {
    return res.status(422).json({ error: 'Text is missing.' });
  }
  const video = isId(req.params.id) && await Video.findOne({ ...LISTED, _id: req.params.id }).lean();
  if (!video) return res.status(404).json({ error: 'Not found.' });
  if (video.comment_policy === 'off') return res.status(403).json({ error: 'Comments are off.' });
  const blocked = await Block.exists({ user: req.user.id, $or: [{ scope: 'site' }, { scope: 'channel', channel: video.channel }] });
  if (blocked) return res.status(403).json({ error: 'Blocked.' });
  const comment = new Comment({ video: video._id, author: req.user.id, text });
  await comment.save();
  await Video.updateOne({ _id: video._id }, { $inc: { 'counters.comments': 1, counters_rev: 1 } }, { timestamps: false, strict: false });
  await Event.create({
    type: 'comments.created', resource: 'comments', subject: comment._id, owner: req.user.id,
    data: comment.toObject(), happened_at: new Date(),
  });
  if (MODE === 'redis') await redis.del([`peer:/api/v1/videos/${video._id}`, `peer:/api/v1/videos/${video._id}/comments`]);
  res.status(201).json(comment);
});

api.patch('/videos/:id', authenticate, async (req, res) => {
  const { title } = req.body ?? {};
  if (typeof title !== 'string' || title.length < 1 || title.length > 150) {
    return res.status(422).json({ error: 'title has 1 to 150 characters.' });
  }
  const found = isId(req.params.id) && await Video.findOne({ _id: req.params.id, deleted_at: null }).lean();
  if (!found) return res.status(404).json({ error: 'Not found.' });
  if (String(found.owner) !== req.user.id && req.user.role === 'user') return res.status(403).json({ error: 'Not yours.' });
  const wanted = req.get('if-match');
  if (!wanted) return res.status(428).json({ error: 'If-Match is missing.' });
  if (wanted !== '*' && wanted !== `"${found._etag}"`) return res.status(412).json({ error: 'It has changed.' });
  const changed = await Video.findOneAndUpdate({ _id: found._id, _etag: found._etag },
    { $set: { title, title_key: title.toLowerCase(), _etag: new mongoose.Types.ObjectId().toString() } },
    { new: true, strict: false, runValidators: true }).select(HIDDEN).lean();
  if (!changed) return res.status(412).json({ error: 'It has changed.' });
  await Event.create({
    type: 'videos.updated', resource: 'videos', subject: changed._id, owner: changed.owner,
    data: { title }, happened_at: new Date(),
  });
  if (MODE === 'redis') await redis.del(`peer:/api/v1/videos/${changed._id}`);
  res.json(changed);
});

api.put('/videos/:id/like', authenticate, async (req, res) => {
  const value = req.body?.value;
  if (value !== 1 && value !== -1) return res.status(422).json({ error: 'value is 1 or -1.' });
  const video = isId(req.params.id) && await Video.findOne({ ...LISTED, _id: req.params.id }).select('_id').lean();
  if (!video) return res.status(404).json({ error: 'Not found.' });
  const before = await Like.findOneAndUpdate({ user: req.user.id, target_type: 'video', target: video._id },
    { $set: { value } }, { upsert: true, lean: true });
  if (before?.value !== value) {
    const change = { [value === 1 ? 'counters.likes' : 'counters.dislikes']: 1 };
    if (before) change[before.value === 1 ? 'counters.likes' : 'counters.dislikes'] = -1;
    await Video.updateOne({ _id: video._id }, { $inc: { ...change, counters_rev: 1 } }, { timestamps: false, strict: false });
    if (MODE === 'redis') await redis.del(`peer:/api/v1/videos/${video._id}`);
  }
  const after = await Video.findById(video._id).select('counters').lean();
  res.json({ target_type: 'video', target: video._id, value, counters: after.counters });
});

api.post('/auth/login', async (req, res) => {
  const { login, password } = req.body ?? {};
  const user = typeof login === 'string' && await User.findOne({ username_key: login.toLowerCase() }).lean();
  const secret = user && await Credential.findById(user._id).lean();
  if (!secret || !await argon2.verify(secret.password_hash, String(password))) {
    return res.status(401).json({ error: 'Wrong name or password.' });
  }
  const session = await Session.create({ user: user._id, device: req.get('user-agent'), expires_at: new Date(Date.now() + 2592e6) });
  await redis.set(`peer:session:${session._id}`, '1', { EX: 600 });
  const token = await new SignJWT({ sid: String(session._id), sub: String(user._id) })
    .setProtectedHeader({ alg: 'HS256' }).setAudience('peer').setIssuedAt().setExpirationTime('10m').sign(SECRET);
  res.json({ access_token: token, token_type: 'Bearer', expires_in: 600 });
});

app.use((error, req, res, next) => res.status(500).json({ error: 'Internal error.' }));

async function serve() {
  await redis.connect();
  await mongoose.connect(MONGO_URI, { maxPoolSize: 40, w: 'majority' });
  app.listen(Number(PORT), '127.0.0.1');
}

if (cluster.isPrimary) {
  for (let n = 0; n < Number(WORKERS); n += 1) cluster.fork();
  process.on('SIGTERM', () => process.exit(0));
} else {
  await serve();
}
