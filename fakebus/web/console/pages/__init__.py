"""The console's pages, a module for each subject; ``pages.txt`` lists them."""
