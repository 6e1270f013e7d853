"""What operators and developers look at: health, metrics, the status page, the API described.

Nothing here changes a document.
The document of the API is compiled from the declarations at its first use.
"""
