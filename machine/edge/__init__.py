"""Where hot reads end before Flask: finished pages, their tags, load shed."""
