"""Server: speech over HTTP, as clients of OpenAI's API ask for it, and by the Wyoming protocol.

The modules in the order in which a request passes them:

    process         settings.py; shutdown.py runs uvicorn and ends it within a stated time; logs.py
                    limits its log
    connection      connections.py: sockets, deadlines, and limits on their number
    refusals        middleware.py refuses requests before their bodies are read, by the host names
                    and origins of access.py; errors.py makes every error a status with JSON
    routing         app.py is the application; endpoints.py has its endpoints, which share the state
                    in context.py
    request         schema.py parses JSON, forms.py multipart forms; aliases.py resolves the names
                    of OpenAI's models and voices; voices.py stores the voices of the server
    queue           job.py is one request, whose text budget.py limits; scheduler.py computes for
                    all requests in one thread, and memory_trim.py frees its memory
    response        speech_response.py sends audio while it is made; metrics.py counts

Requests with a recording, and those of Home Assistant:

    recordings      decode.py decodes them in a process of its own; adaptation.py trains an adapted
                    voice; editing.py edits and continues recordings
    Wyoming         wyoming.py, whose requests go to the same queue
"""
