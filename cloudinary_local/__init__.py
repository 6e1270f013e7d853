"""A local server that speaks Cloudinary's protocol over files on disk and a real ffmpeg."""
