def plots(run):
    return {}
