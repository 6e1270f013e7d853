"""What the API is: data only, one file per resource. Each module here holds one `resource`."""
