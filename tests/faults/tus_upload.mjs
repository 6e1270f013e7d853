// Uploads a file by tus-js-client: node tus_upload.mjs FOLDER_OF_THE_LIBRARY ENDPOINT TOKEN FILE
import { createReadStream, statSync } from "node:fs";
import { createRequire } from "node:module";

const [folder, endpoint, token, file] = process.argv.slice(2);
const { Upload } = createRequire(folder + "/")("tus-js-client");

const upload = new Upload(createReadStream(file), {
  endpoint,
  uploadSize: statSync(file).size,
  chunkSize: 1024 * 1024,
  retryDelays: [0, 500, 1000, 2000, 4000, 8000],
  headers: { Authorization: `Bearer ${token}` },
  metadata: { filename: "film.mp4", filetype: "video/mp4" },
  onUploadUrlAvailable: () => console.log("url " + upload.url),
  onError: (error) => { console.error(String(error)); process.exit(1); },
  onSuccess: () => { console.log("done"); process.exit(0); },
});
upload.start();
