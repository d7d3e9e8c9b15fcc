def boot():
    import os
    import sys

    # Modules of the directory it is started in are not for Python itself.
    if sys.path[:1] == [""]:
        del sys.path[0]

    def refuse(why):
        os.write(2, (why + "\n").encode("utf-8", "replace"))
        os._exit(78)

    module, settings = sys.argv[1], int(sys.argv[2])
    version = ".".join(map(str, sys.version_info[:3]))
    if not hasattr(sys, "implementation") or sys.implementation.name != "cpython":
        name = getattr(getattr(sys, "implementation", None), "name", "Python " + version)
        refuse("it is %s, but pyfcgid requires CPython 3.9 or newer" % name)
    if sys.version_info < (3, 9):
        refuse("it is Python %s, but pyfcgid requires CPython 3.9 or newer" % version)
    if "t" in getattr(sys, "abiflags", ""):
        refuse("it is a free-threaded Python %s, which pyfcgid does not support yet: name an ordinary one" % version)
    # Its signals are for the process that the supervisor has started.
    if os.getpid() != int(sys.argv[3]):
        refuse("a script started it as a separate process: have the script start Python with exec")
    from importlib.machinery import ExtensionFileLoader, ModuleSpec

    loader = ExtensionFileLoader("_pyfcgid", module)
    try:
        ours = loader.create_module(ModuleSpec("_pyfcgid", loader, origin=module))
        loader.exec_module(ours)
    except ImportError as error:
        refuse("it does not load pyfcgid's module: %s" % error)
    main = sys.modules["__main__"]
    del main.boot
    # Whoever asks is told that this is a program, and processes that are started anew do not look for its code.
    main.__file__, main.__spec__ = "pyfcgid", ModuleSpec("__main__", None)
    if module.startswith("/proc/self/fd/"):
        os.close(int(module.rpartition("/")[2]))
    ours.run(settings)


boot()
