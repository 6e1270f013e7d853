// The journey by openapi-fetch with the types that openapi-typescript made; run by test_typescript_client.py.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import createClient, { type Client } from "openapi-fetch";
import type { components, paths } from "./schema.js";

type Api = Client<paths>;
type Video = components["schemas"]["Video"];

const [base, clip, password, name] = process.argv.slice(2) as [string, string, string, string];

async function signIn(anyone: Api): Promise<Api> {
  const account = { username: name, email: `${name}@example.org`, password };
  const made = await anyone.POST("/api/v1/auth/register", { body: account });
  assert.equal(made.data?.username, name);
  const { data: tokens } = await anyone.POST("/api/v1/auth/login", { body: { login: name, password } });
  assert.ok(tokens);
  return createClient<paths>({ baseUrl: base, headers: { Authorization: `Bearer ${tokens.access_token}` } });
}

async function publish(me: Api): Promise<Video> {
  const channel = await me.POST("/api/v1/channels", { body: { handle: `${name}-films`, name: "Films" } });
  assert.ok(channel.data && "_id" in channel.data);
  const wish = { channel: channel.data._id, title: "A walk in the woods", tags: ["forest"] };
  const made = await me.POST("/api/v1/videos", { body: wish });
  assert.ok(made.data && "_id" in made.data);
  const path = { id: made.data._id };
  const film = new File([await readFile(clip)], "walk.mp4", { type: "video/mp4" });
  const accepted = await me.POST("/api/v1/videos/{id}/upload", {
    params: { path },
    // In the document a file is a string of bytes; in JavaScript it is a File.
    body: { file: film as unknown as string },
    bodySerializer: () => {
      const form = new FormData();
      form.append("file", film);
      return form;
    },
  });
  assert.equal(accepted.data?.status, "PROCESSING");
  await awaitReady(me, path.id);
  const published = await me.POST("/api/v1/videos/{id}/publish", { params: { path } });
  assert.equal(published.data?.visibility, "public");
  return published.data;
}

async function awaitReady(me: Api, id: string): Promise<void> {
  for (const until = Date.now() + 60_000; ; await pause(100)) {
    const { data } = await me.GET("/api/v1/videos/{id}", { params: { path: { id } } });
    if (data?.status === "READY") return;
    assert.ok(data && data.status !== "FAILED" && Date.now() < until, JSON.stringify(data?.status_detail));
  }
}

async function watch(me: Api, video: Video): Promise<void> {
  const { data: playback } = await me.GET("/api/v1/videos/{id}/playback", {
    params: { path: { id: video._id } },
  });
  assert.ok(playback?.hls && playback.mp4);
  assert.ok((await (await fetch(playback.hls)).text()).startsWith("#EXTM3U"));
  const film = Buffer.from(await (await fetch(playback.mp4)).arrayBuffer());
  assert.equal(film.subarray(4, 8).toString(), "ftyp");
  assert.ok(playback.renditions.every((one) => one.height > 0 && one.url.startsWith("http")));
}

async function engage(anyone: Api, me: Api, video: Video): Promise<void> {
  const path = { id: video._id };
  const rating = await me.PUT("/api/v1/videos/{id}/like", { params: { path }, body: { value: 1 } });
  assert.equal(rating.data?.counters["likes"], 1);
  const said = await me.POST("/api/v1/videos/{video}/comments", {
    params: { path: { video: video._id } },
    body: { text: "The light is lovely." },
  });
  assert.equal(said.response.status, 201);
  const comments = await anyone.GET("/api/v1/videos/{video}/comments", {
    params: { path: { video: video._id }, query: { sort: "-_id" } },
  });
  assert.deepEqual(comments.data?._items.map((one) => one.text), ["The light is lovely."]);
  const videos = await anyone.GET("/api/v1/videos", { params: { query: { max_results: 100 } } });
  assert.ok(videos.data?._items.some((one) => one._id === video._id));
}

async function beRefused(anyone: Api, me: Api, video: Video): Promise<void> {
  const wrong = await anyone.POST("/api/v1/auth/login", { body: { login: name, password: "not it at all" } });
  assert.equal(wrong.error?.reason, "invalid_credentials");
  const old = await me.PATCH("/api/v1/videos/{id}", {
    params: { path: { id: video._id }, header: { "If-Match": "old" } },
    body: { title: "Other" },
  });
  assert.equal(old.response.status, 412);
  assert.equal(old.error?.reason, "etag_mismatch");
  const empty = await me.POST("/api/v1/videos", { body: { channel: "0".repeat(24), title: "" } });
  assert.ok(empty.error?.issues && "title" in empty.error.issues);
  const absent = await anyone.GET("/api/v1/videos/{id}", { params: { path: { id: "0".repeat(24) } } });
  assert.equal(absent.error?.reason, "not_found");
}

const anyone = createClient<paths>({ baseUrl: base });
const me = await signIn(anyone);
assert.equal((await me.GET("/api/v1/me")).data?.username, name);
const video = await publish(me);
await watch(me, video);
await engage(anyone, me, video);
await beRefused(anyone, me, video);
console.log("the journey is done");
