"""What AWS answered about one node, in a file that names nothing of the user's: `enigap record`, `--replay`.

`tape` takes down the calls of clients and plays them again without a network. `shapes` says which members of
each request and answer are kept (EC2's as `xml` has them), each by one of the `kinds` of value. `standins`
replaces every name by one that is made up for this bundle. `gate` refuses a bundle with any string that is
neither the product's own word, nor a stand-in, nor a number or a time. `archive` reads and writes the file.
`replayed` has the clients that answer from one.
"""
