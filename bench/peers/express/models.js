// The collections of the benchmark as Mongoose models: the same documents and indexes that Marquee has.
import mongoose from 'mongoose';

const { Schema } = mongoose;
const { ObjectId, Mixed } = Schema.Types;
const plain = (collection) => ({
  collection,
  versionKey: false,
  autoIndex: false,
  minimize: false,
  timestamps: { createdAt: '_created', updatedAt: '_updated' },
});
const counter = { type: Number, default: 0 };
const etag = { type: String, default: () => new mongoose.Types.ObjectId().toString() };

export const User = mongoose.model('User', new Schema({
  username: { type: String, required: true },
  username_key: String,
  display_name: String,
  avatar: String,
  role: String,
  status: String,
  settings: Mixed,
  counters: Mixed,
  _etag: etag,
}, plain('users')));

export const Credential = mongoose.model('Credential', new Schema(
  { password_hash: String }, { collection: 'credentials', versionKey: false }));

export const Session = mongoose.model('Session', new Schema(
  { user: ObjectId, device: String, expires_at: Date }, { collection: 'peer_sessions', versionKey: false }));

export const Channel = mongoose.model('Channel', new Schema({
  owner: { type: ObjectId, ref: 'User' },
  handle: String,
  name: String,
  avatar: String,
}, plain('channels')));

export const Video = mongoose.model('Video', new Schema({
  channel: { type: ObjectId, ref: 'Channel', required: true },
  owner: { type: ObjectId, ref: 'User' },
  title: { type: String, required: true, maxlength: 150 },
  description: { type: String, maxlength: 5000 },
  tags: [String],
  category: String,
  language: String,
  visibility: { type: String, enum: ['private', 'public', 'unlisted'] },
  published_at: Date,
  status: String,
  duration: Number,
  width: Number,
  height: Number,
  thumbnail: String,
  thumbnails: Mixed,
  renditions: Mixed,
  chapters: Mixed,
  comment_policy: String,
  pinned_comment: { type: ObjectId, ref: 'Comment' },
  counters: Mixed,
  deleted_at: Date,
  _etag: etag,
}, plain('videos')));

export const Comment = mongoose.model('Comment', new Schema({
  video: { type: ObjectId, ref: 'Video', required: true },
  author: { type: ObjectId, ref: 'User', required: true },
  parent: { type: ObjectId, ref: 'Comment', default: null },
  reply_to: { type: ObjectId, ref: 'User' },
  text: { type: String, required: true, minlength: 1, maxlength: 5000 },
  mentions: [{ type: ObjectId, ref: 'User' }],
  status: { type: String, default: 'published' },
  edited_at: Date,
  pinned: { type: Boolean, default: false },
  hearted: { type: Boolean, default: false },
  placeholder: { type: Boolean, default: false },
  counters: { likes: counter, dislikes: counter, replies: counter },
  _etag: etag,
}, plain('comments')));

export const Like = mongoose.model('Like', new Schema({
  user: { type: ObjectId, required: true },
  target_type: String,
  target: ObjectId,
  value: { type: Number, enum: [1, -1] },
}, plain('peer_likes')));

export const Block = mongoose.model('Block', new Schema(
  { user: ObjectId, scope: String, channel: ObjectId }, { collection: 'blocks', versionKey: false }));

export const Event = mongoose.model('Event', new Schema({
  type: String, resource: String, subject: ObjectId, owner: ObjectId, data: Mixed, happened_at: Date,
}, { collection: 'peer_events', versionKey: false }));

export const Trending = mongoose.model('Trending', new Schema(
  { window: String, generation: Number, rank: Number, video: ObjectId },
  { collection: 'trending', versionKey: false }));
