#!/bin/sh
# Make the secrets that compose.yml mounts, once; what is there is kept. The Cloudinary account is yours to fill in.
set -eu
umask 077
cd "$(dirname "$0")"
mkdir -p secrets

random() { head -c "$1" /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }
keep() { [ -e "secrets/$1" ] || printf '%s' "$2" > "secrets/$1"; }

keep mongo_key "$(random 96)"
keep mongo_password "$(random 24)"
keep redis_password "$(random 24)"
keep secret_key "$(random 32)"
keep metrics_token "$(random 24)"
keep grafana_password "$(random 12)"
keep media_token_key "$(random 32)"
keep cloudinary_url "cloudinary://$(random 8):$(random 16)@local"
keep mongo_uri "mongodb://root:$(cat secrets/mongo_password)@mongo1:27017,mongo2:27017,mongo3:27017/marquee?replicaSet=rs0&authSource=admin"
keep redis_url "redis://:$(cat secrets/redis_password)@valkey:6379/0"
# The containers run as other users than yours; the folder itself stays closed to others on this host.
chmod 700 secrets
chmod 444 secrets/*
[ -e marquee.env ] || cp marquee.env.example marquee.env
